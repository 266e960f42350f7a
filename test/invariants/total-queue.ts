/**
 * The invariants I1 to I4 of a relay as a pure comparison of what was handed in with what came out (Jepsen's total queue).
 * The fault harness and the simulation judge by it; neither the journal nor the stores know of it.
 */

/** The place of a message in the order of its source [DESIGN §4]. */
export interface Place {
  readonly source: string;
  readonly epoch: string;
  readonly lane: number;
  readonly sequence: number;
}

/** One message as whoever handed it in knows it. */
export interface Sent {
  /** its sender's own name of it, never used twice */
  readonly uid: string;
  /** of its content */
  readonly sha256: string;
  /** `unknown`: no answer came, so it may or may not have been taken */
  readonly outcome: 'accepted' | 'refused' | 'unknown';
  /** of an accepted one: the id it was given, and its place */
  readonly id?: string;
  readonly place?: Place;
  /** which sequential sender, and its how manieth message: later ones of one sender come later in their lane */
  readonly sender: string;
  readonly turn: number;
}

/** One message that came out at the other end. */
export interface Effect {
  /** read from its content; undefined where the content has no place for it */
  readonly uid: string | undefined;
  readonly id: string;
  readonly sha256: string;
}

/** What a receipt says became of a place; undefined when there is none. */
export type Explain = (place: Place) => string | undefined;

export interface Verdict {
  readonly sent: number;
  readonly accepted: number;
  /** accepted and come out */
  readonly delivered: number;
  /** never answered, and come out */
  readonly deliveredUnanswered: number;
  /** accepted, not come out, and a receipt says why: messages by reason */
  readonly explained: Readonly<Record<string, number>>;
  /** [I1] accepted, not come out, no receipt: uids */
  readonly lost: readonly string[];
  /** [I2] come out more than once: uids */
  readonly duplicated: readonly string[];
  /** [I4] come out and never handed in: message ids */
  readonly phantom: readonly string[];
  /** [I4] come out with other bytes: uids */
  readonly altered: readonly string[];
  /** [I3] places of one sender in one lane and epoch that fall back: uids */
  readonly disordered: readonly string[];
}

/** Compares; order of the arguments' items does not matter. */
export function compareTotals(sent: Iterable<Sent>, effects: Iterable<Effect>, explain: Explain): Verdict {
  const byUid = new Map<string, Sent>();
  const byId = new Map<string, Sent>();
  for (const message of sent) {
    byUid.set(message.uid, message);
    if (message.id !== undefined) byId.set(message.id, message);
  }
  const phantom: string[] = [];
  const altered = new Set<string>();
  const arrivals = new Map<string, number>();
  for (const effect of effects) {
    const message = byId.get(effect.id) ?? (effect.uid === undefined ? undefined : byUid.get(effect.uid));
    if (message === undefined) {
      phantom.push(effect.id);
      continue;
    }
    if (message.sha256 !== effect.sha256 || (effect.uid !== undefined && effect.uid !== message.uid))
      altered.add(message.uid);
    arrivals.set(message.uid, (arrivals.get(message.uid) ?? 0) + 1);
  }
  return {
    ...balance(byUid.values(), arrivals, explain),
    duplicated: [...arrivals].filter(([, times]) => times > 1).map(([uid]) => uid),
    phantom,
    altered: [...altered],
    disordered: disordered(byUid.values()),
  };
}

/** [I1] accepted = come out + explained; what is missing then is lost. */
function balance(sent: Iterable<Sent>, arrivals: ReadonlyMap<string, number>, explain: Explain) {
  const explained: Record<string, number> = {};
  const lost: string[] = [];
  let [all, accepted, delivered, deliveredUnanswered] = [0, 0, 0, 0];
  for (const { uid, outcome, place } of sent) {
    all++;
    if (outcome === 'accepted') accepted++;
    if (arrivals.has(uid)) {
      if (outcome === 'accepted') delivered++;
      else deliveredUnanswered++;
    } else if (outcome === 'accepted') {
      const reason = place === undefined ? undefined : explain(place);
      if (reason === undefined) lost.push(uid);
      else explained[reason] = (explained[reason] ?? 0) + 1;
    }
  }
  return { sent: all, accepted, delivered, deliveredUnanswered, explained, lost };
}

/** [I3] one sender, one source, one epoch, one lane: the sequence rises with the turn. */
function disordered(sent: Iterable<Sent>): string[] {
  const lanes = new Map<string, Sent[]>();
  for (const message of sent) {
    if (message.place === undefined) continue;
    const { source, epoch, lane } = message.place;
    const key = `${message.sender} ${source} ${epoch} ${lane}`;
    const list = lanes.get(key);
    if (list === undefined) lanes.set(key, [message]);
    else list.push(message);
  }
  return [...lanes.values()].flatMap((list) => {
    const inTurn = list.toSorted((a, b) => a.turn - b.turn);
    return inTurn
      .filter((message, index) => index > 0 && message.place!.sequence <= inTurn[index - 1]!.place!.sequence)
      .map(({ uid }) => uid);
  });
}

/** How many of each kind are wrong. */
export function faultsOf({ lost, duplicated, phantom, altered, disordered }: Verdict) {
  return {
    lost: lost.length,
    duplicated: duplicated.length,
    phantom: phantom.length,
    altered: altered.length,
    disordered: disordered.length,
  };
}
