import type { Content, Header } from '@backhaul/envelope';
import { type ErrorCode, toBackhaulError } from '@backhaul/runtime';
import type { SubmissionKind } from '../../proxy/src/accept/submission.ts';
import type { Place, Sent } from '../invariants/total-queue.ts';
import type { AppserverNode, CommandTarget } from './nodes/appserver-node.ts';
import type { ProxyNode } from './nodes/proxy-node.ts';
import type { PastPutBack } from './past-put-back.ts';
import { SimRandom } from './sim-random.ts';
import { fingerprint } from './watched-handler.ts';
import type { World } from './world.ts';

const MINUTE = 60_000;
/** Longer than any world: such a command must be done in the end. */
const LASTING_MS = 29 * 24 * 60 * MINUTE;
/** Nothing was taken, and the caller knows it. */
const CLEAN_REFUSALS: ReadonlySet<ErrorCode> = new Set<ErrorCode>(['BH-E-SPOOL-FULL', 'BH-E-BUSY']);

interface Kept {
  readonly what: string;
  outcome: Sent['outcome'];
  id?: string;
  place?: Place;
  sha256: string;
  readonly sender: string;
  readonly turn: number;
  /** simulated ms at which it was accepted */
  at: number;
}

export interface GivenCommand {
  readonly id: string;
  readonly members: readonly string[];
  /** must be done in the end */
  readonly lasting: boolean;
}

/** What integrators hand in and what staff command; keeps the journal by which the end is judged. */
export class Workload {
  readonly given: GivenCommand[] = [];
  readonly figures = { refused: 0, commands: 0, effects: 0 };
  readonly #world: World;
  readonly #kept = new Map<string, Kept>();
  readonly #effects: { uid: string; id: string; sha256: string }[] = [];
  #turn = 0;
  #over = false;

  constructor(world: World) {
    this.#world = world;
  }

  begin(proxies: readonly ProxyNode[]): void {
    for (const node of proxies) this.#feed(node, new SimRandom(this.#world.seed, `load ${node.id}`));
    for (const app of this.#world.appservers) this.#direct(app, new SimRandom(this.#world.seed, `staff ${app.id}`));
  }

  end(): void {
    this.#over = true;
  }

  /** What was handed in, as the comparison of totals wants it. */
  sent(past: PastPutBack): Sent[] {
    return [...this.#kept].map(([uid, kept]) => {
      const { id, sha256, sender, turn } = kept;
      const { outcome, place } = this.#inTheEnd(kept, past);
      const known = { ...(id === undefined ? {} : { id }), ...(place === undefined ? {} : { place }) };
      return { uid, sha256, outcome, ...known, sender, turn };
    });
  }

  /**
   * What was accepted and is gone with a disk whose past was put back is forgiven. What was accepted after that, and before the
   * machine has begun a new epoch, gets another place then: the one that it was sent with counts, and of what was never sent
   * nobody can say by its place what became of it.
   */
  #inTheEnd(kept: Kept, past: PastPutBack): Pick<Sent, 'outcome' | 'place'> {
    const { outcome, id, place, sender, at } = kept;
    if (outcome !== 'accepted' || place === undefined) return { outcome };
    if (past.isForgiven(sender, at)) return { outcome: 'unknown' };
    const putBackAt = past.putBackBefore(sender, at);
    if (putBackAt === undefined || !this.#hadEpoch(place, putBackAt)) return { outcome, place };
    const sentAs = id === undefined ? undefined : this.#world.watch.placeOf(id);
    return sentAs === undefined ? { outcome: 'unknown' } : { outcome, place: sentAs };
  }

  #hadEpoch({ source, epoch }: Place, before: number): boolean {
    return [...this.#kept.values()].some(
      ({ place, at }) => at < before && place?.source === source && place.epoch === epoch,
    );
  }

  effects() {
    return this.#effects;
  }

  /** For people: what was handed in, and what the receipts of its lane say. */
  describe(uid: string, fateOf: (stream: string) => string | undefined): string {
    const kept = this.#kept.get(uid);
    if (kept?.place === undefined) return `${uid} of ${kept?.sender} (${kept?.outcome})`;
    const { source, epoch, lane, sequence } = kept.place;
    const fates = fateOf(`${source}/${epoch}/${lane}`) ?? 'no receipts';
    return `${uid} (${kept.what}) of ${source} at ${kept.at}: ${epoch}/${lane}/${sequence} [${fates}]`;
  }

  get handedIn(): number {
    return this.#kept.size;
  }

  #feed(node: ProxyNode, random: SimRandom): void {
    const next = (): void => {
      this.#world.sim.schedule(random.untilNext(this.#world.settings.messagesPerHour), `${node.id} is fed`, () => {
        if (this.#over) return;
        const burst = random.chance(0.1) ? random.between(2, 12) : 1;
        for (let i = 0; i < burst; i++) this.#submit(node, random);
        next();
      });
    };
    next();
  }

  #submit(node: ProxyNode, random: SimRandom): void {
    const turn = ++this.#turn;
    const uid = `uid-${turn}`;
    const { kind, value } = makeSubmission(uid, random);
    const submitted = node.submit(kind, [value]);
    const kept: Kept = {
      what: `${kind} ${JSON.stringify(value).slice(0, 160)}`,
      outcome: 'unknown',
      sha256: '',
      sender: node.id,
      turn,
      at: this.#world.sim.now,
    };
    this.#kept.set(uid, kept);
    this.#world.watch.intends(uid);
    submitted.then(
      (answer) => {
        const verdict = answer?.verdicts[0];
        if (answer === undefined || verdict === undefined) kept.outcome = 'refused';
        else if (!verdict.accepted) this.#refused(kept, verdict.error);
        else {
          const { id, lane, sequence } = verdict;
          const place = { source: node.id, epoch: answer.epoch, lane, sequence };
          Object.assign(kept, { outcome: 'accepted', id, place, at: this.#world.sim.now });
        }
      },
      (error: unknown) => this.#refused(kept, error),
    );
  }

  /** After a write that failed nobody knows whether it is on the disk. */
  #refused(kept: Kept, error: unknown): void {
    const { code } = toBackhaulError(error);
    this.figures.refused++;
    if (CLEAN_REFUSALS.has(code)) kept.outcome = 'refused';
    if (code === 'BH-E-INTERNAL') this.#world.watch.breach('I11', `${kept.sender}: ${describeError(error)}`);
  }

  /** Something took effect at an application server. */
  effect(header: Header, content: Content, body: Uint8Array): void {
    const uid = uidOf(header, content);
    if (uid === undefined) return;
    this.figures.effects++;
    const kept = this.#kept.get(uid);
    const sha256 = fingerprint(body);
    if (kept !== undefined) kept.sha256 = sha256; // the watch compares the bytes from hop to hop
    this.#effects.push({ uid, id: header.id, sha256 });
  }

  #direct(app: AppserverNode, random: SimRandom): void {
    const next = (): void => {
      this.#world.sim.schedule(random.untilNext(this.#world.settings.commandsPerHour), `${app.id} is told`, () => {
        if (this.#over) return;
        void this.#command(app, random).catch(() => {});
        next();
      });
    };
    next();
  }

  /** A group may be changed right before it is meant: the membership goes ahead of the message. */
  async #command(app: AppserverNode, random: SimRandom): Promise<void> {
    const directory = app.core?.directory;
    if (directory === undefined) return;
    const own = directory.tree.all().filter(({ kind, state }) => kind === 'proxy' && state === 'active');
    const ids = own.map(({ id }) => id);
    const group = `group-${random.between(1, 3)}`;
    const members = random.sample(ids, random.between(1, 8));
    const single = random.chance(0.4);
    const lasting = random.chance(0.7);
    const expiresInMs = lasting ? LASTING_MS : random.between(1, 20) * MINUTE;
    const name = random.pick(['ping', 'get-status']);
    if (!single && random.chance(0.7)) await directory.setGroup(group, members);
    const target: CommandTarget = single ? { component: random.pick(ids) } : { group };
    const id = await app.command(target, name, expiresInMs);
    if (id === undefined) return;
    const frozen = await app.membersOf(id);
    this.figures.commands++;
    this.given.push({ id, members: frozen, lasting });
    this.#world.watch.commands(id, frozen);
  }
}

function describeError(error: unknown): string {
  const { cause } = error as { cause?: unknown };
  const first = cause instanceof Error ? cause : error;
  return first instanceof Error ? (first.stack ?? first.message) : String(first);
}

interface Made {
  readonly kind: SubmissionKind;
  readonly value: object;
}

function makeSubmission(uid: string, random: SimRandom): Made {
  const life = random.chance(0.15) ? { expiresInMs: random.between(10, 900) * 1_000 } : {};
  const lane = random.chance(0.3) ? { precedence: random.pick([0, 1, 2, 3, 4, 5, 6, 7, 8]) } : {};
  const common = { class: 'x-sim', ...life, ...lane, persistent: random.chance(0.5) };
  const filler = 'x'.repeat(random.pick([0, 10, 100, 2_000]));
  const occurrence = { severity: random.pick(['critical', 'minor', 'info']), text: `${uid} ${filler}` };
  switch (random.between(1, 6)) {
    case 1: {
      const state = random.pick(['open', 'clear']);
      return { kind: 'alarms', value: { ...common, subclass: 'alarm', alarmId: `a:${uid}`, state, ...occurrence } };
    }
    case 2:
      return { kind: 'events', value: { ...common, subclass: 'event', eventId: uid, ...occurrence } };
    case 3:
      return {
        kind: 'data',
        // without an expiry: what is merged into an aggregate that expires is known as held
        value: { class: 'x-sim', ...lane, subclass: 'numbers', eventId: uid, data: { value: random.between(1, 9) } },
      };
    case 4:
      return { kind: 'data', value: { ...common, subclass: 'noise', data: { uid, filler } } };
    case 5:
      return { kind: 'data', value: { ...common, subclass: 'chatter', data: { uid, filler } } };
    default:
      return { kind: 'data', value: { ...common, subclass: 'reading', data: { uid, filler } } };
  }
}

/** The sender's own name of a message: in the event key, the text or the data. */
export function uidOf({ class: cls, eventKey }: Header, content: Content): string | undefined {
  if (cls !== 'x-sim') return undefined;
  const text =
    content.type === 'alarm' || content.type === 'event' ? content.text : content.type === 'data' ? content.text : '';
  return /uid-\d+/.exec(text)?.[0] ?? /uid-\d+/.exec(eventKey ?? '')?.[0];
}
