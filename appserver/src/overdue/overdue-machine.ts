/**
 * Who should have been heard and was not. One pure step: `(memory, watched, now) → changes and news`; the watch carries them out.
 *
 * A component without a state is heard. The states:
 * - `overdue`: silent for longer than `afterMs` although a parent of it is well. Told to people after `collectMs`.
 * - `unreachable`: silent, and so are all its parents: it stands behind them, and is not told of by itself.
 * - `returning`: was overdue, is heard again, but not yet for long enough to say so.
 * - `back`: was told as overdue and is heard steadily; to be told after `collectMs`.
 * - `steady`: nothing to tell; only remembers how often it fell silent lately, so that one that flaps has to be heard for longer.
 *
 * Invariants, each with a test of its name:
 * - O1 every `overdue` that was told is followed by exactly one `back`, unless the component is removed; never two in a row of either
 * - O2 what is silent together with all its parents is not told by itself
 * - O3 nobody is overdue before `afterMs` have passed since `countFrom`: the start, an outage of our own, a parent's return
 */
export type OverduePhase = 'overdue' | 'unreachable' | 'returning' | 'back' | 'steady';

/** Someone who should be heard. */
export interface Watched {
  readonly id: string;
  readonly kind: string;
  readonly customer: string;
  readonly site: string | null;
  /** in order of preference */
  readonly parents: readonly string[];
  /** wall ms; undefined: never, so nobody waits for it yet */
  readonly heardAt: number | undefined;
  /** whether somebody else, who is heard, says that it is silent: an integrator by its proxy */
  readonly toldSilent?: boolean;
}

export interface OverdueState {
  readonly id: string;
  readonly kind: string;
  readonly customer: string;
  readonly site: string | null;
  readonly phase: OverduePhase;
  /** heard last before it fell silent, wall ms */
  readonly since: number;
  /** when it was noticed, wall ms */
  readonly noticedAt: number;
  /** people were told that it is overdue */
  readonly told: boolean;
  /** the parent it is unreachable behind */
  readonly behind: string | null;
  /** heard again since, wall ms */
  readonly returnedAt: number | null;
  /** how often it fell silent lately */
  readonly episodes: number;
}

export interface OverdueSettings {
  readonly afterMs: number;
  /** heard for so long, and it is back; doubled with every time it fell silent lately */
  readonly backAfterMs: number;
  /** news wait for so long for others of the same customer */
  readonly collectMs: number;
}

/** News for people. */
export type OverdueNews =
  /** `behind`: how many components stand behind it and cannot be reached either */
  | { readonly type: 'overdue'; readonly state: OverdueState; readonly behind: number }
  | { readonly type: 'back'; readonly state: OverdueState; readonly awayMs: number };

export interface OverdueStep {
  /** the new state of everybody whose state changed; null: none any more */
  readonly changes: ReadonlyMap<string, OverdueState | null>;
  /** grouped by customer, to be told together */
  readonly news: readonly (readonly OverdueNews[])[];
}

/** What the machine remembers. `countFrom` and `steadySince` begin anew with each start: everybody gets their time again. */
export interface OverdueMemory {
  readonly states: ReadonlyMap<string, OverdueState>;
  /** silence before this does not count: the start, or the end of an outage of our own */
  readonly countFrom: number;
  /** since when each component that others stand behind has been heard without a break; kept up by `step` */
  readonly steadySince: Map<string, number>;
}

/** Falling silent again within this time makes it a flapping one. */
const FLAP_MEMORY_MS = 3_600_000;
const MAX_DOUBLINGS = 5;
/** A parent silent for this part of `afterMs` is doubted: what stands behind it is not judged now. */
const DOUBT = 0.5;

export function overdueStep(
  memory: OverdueMemory,
  watched: readonly Watched[],
  now: number,
  settings: OverdueSettings,
): OverdueStep {
  const step = new Step(memory, watched, now, settings);
  for (const one of watched) step.judge(one);
  step.forgetRemoved();
  return { changes: step.changes, news: step.news() };
}

/** One step under way. */
class Step {
  readonly changes = new Map<string, OverdueState | null>();
  readonly #memory: OverdueMemory;
  readonly #watched: ReadonlyMap<string, Watched>;
  readonly #now: number;
  readonly #settings: OverdueSettings;
  #children: Map<string, Watched[]> | undefined;

  constructor(memory: OverdueMemory, watched: readonly Watched[], now: number, settings: OverdueSettings) {
    this.#memory = memory;
    this.#watched = new Map(watched.map((one) => [one.id, one]));
    this.#now = now;
    this.#settings = settings;
    this.#updateSteady();
  }

  judge(one: Watched): void {
    const state = this.#state(one.id);
    if (state === undefined || state.phase === 'steady') this.#judgeHeard(one, state);
    else if (state.phase === 'unreachable') this.#judgeUnreachable(one, state);
    else if (state.phase === 'overdue') this.#judgeOverdue(one, state);
    else if (state.phase === 'returning') this.#judgeReturning(one, state); // `back` is told with others, see `news`
  }

  forgetRemoved(): void {
    for (const id of this.#memory.states.keys()) if (!this.#watched.has(id)) this.changes.set(id, null);
  }

  /** What is to be told now, by customer: everything, once the oldest of it has waited for `collectMs`. */
  news(): OverdueNews[][] {
    const { collectMs } = this.#settings;
    const states = [...this.#watched.keys()].flatMap((id) => this.#state(id) ?? []);
    const groups = Map.groupBy(states.filter(isPending), ({ customer }) => customer);
    const due = [...groups.values()].filter((group) => group.some((s) => this.#now - s.noticedAt >= collectMs));
    return due.map((group) => group.map((state) => this.#tell(state)));
  }

  #tell(state: OverdueState): OverdueNews {
    if (state.phase === 'overdue') {
      const told = this.#set({ ...state, told: true });
      return { type: 'overdue', state: told, behind: this.#blockedBelow(state.id) };
    }
    const steady = this.#set({ ...state, phase: 'steady', told: false, noticedAt: this.#now });
    return { type: 'back', state: steady, awayMs: Math.max(0, (state.returnedAt ?? this.#now) - state.since) };
  }

  #judgeHeard(one: Watched, state: OverdueState | undefined): void {
    const isForgotten = state !== undefined && this.#now - state.noticedAt > FLAP_MEMORY_MS;
    if (isForgotten) this.changes.set(one.id, null);
    if (!this.#silentFor(one, this.#settings.afterMs, this.#memory.countFrom)) return;
    const episodes = isForgotten ? 0 : (state?.episodes ?? 0);
    const behind = this.#blocking(one);
    if (behind !== undefined) this.#fall(one, 'unreachable', episodes, behind);
    else if (this.#isSilentByItself(one)) this.#fall(one, 'overdue', episodes + 1);
  }

  #judgeUnreachable(one: Watched, state: OverdueState): void {
    if (this.#heardSince(one, state.since)) this.changes.set(one.id, null);
    else if (this.#blocking(one) === undefined && this.#isSilentByItself(one))
      this.#fall(one, 'overdue', state.episodes + 1);
  }

  #judgeOverdue(one: Watched, state: OverdueState): void {
    if (this.#heardSince(one, state.since)) this.#set({ ...state, phase: 'returning', returnedAt: this.#now });
  }

  #judgeReturning(one: Watched, state: OverdueState): void {
    const { backAfterMs } = this.#settings;
    if (this.#isDoubted(one)) {
      this.#set({ ...state, phase: 'overdue', returnedAt: null });
      return;
    }
    const settleMs = backAfterMs * 2 ** Math.min(MAX_DOUBLINGS, state.episodes - 1);
    if (this.#now - (state.returnedAt ?? this.#now) < settleMs) return;
    this.#set({ ...state, phase: state.told ? 'back' : 'steady', noticedAt: this.#now }); // never told: nothing to take back
  }

  #fall(one: Watched, phase: 'overdue' | 'unreachable', episodes: number, behind: string | null = null): void {
    const { id, kind, customer, site } = one;
    const since = one.heardAt ?? this.#now;
    const fallen = { since, noticedAt: this.#now, told: false, returnedAt: null, episodes };
    this.#set({ id, kind, customer, site, phase, behind, ...fallen });
  }

  /** The preferred parent when no way up is left: all parents are silent themselves, or gone. */
  #blocking({ parents }: Watched): string | undefined {
    return parents.length > 0 && parents.every((parent) => this.#isDown(parent)) ? parents[0] : undefined;
  }

  /** Silent for too long since a parent has been well again [O3]. */
  #isSilentByItself(one: Watched): boolean {
    const well = one.parents.map((parent) => this.#steadySince(parent)).filter((since) => since !== undefined);
    const countFrom = Math.max(this.#memory.countFrom, Math.min(...well));
    return well.length > 0 && this.#silentFor(one, this.#settings.afterMs, countFrom);
  }

  #silentFor({ heardAt, toldSilent }: Watched, ms: number, countFrom: number): boolean {
    if (toldSilent !== undefined) return toldSilent;
    return heardAt !== undefined && this.#now - Math.max(heardAt, countFrom) > ms;
  }

  #isDoubted(one: Watched): boolean {
    return this.#silentFor(one, this.#settings.afterMs * DOUBT, this.#memory.countFrom);
  }

  #heardSince(one: Watched, since: number): boolean {
    if (one.toldSilent !== undefined) return !one.toldSilent;
    return (
      one.heardAt !== undefined && one.heardAt > since && this.#now - one.heardAt <= this.#settings.afterMs * DOUBT
    );
  }

  #steadySince(parent: string): number | undefined {
    return parent === ROOT ? Number.NEGATIVE_INFINITY : this.#memory.steadySince.get(parent);
  }

  #updateSteady(): void {
    const { steadySince, countFrom } = this.#memory;
    const parents = new Set([...this.#watched.values()].flatMap((one) => one.parents));
    for (const id of steadySince.keys()) if (!parents.has(id)) steadySince.delete(id);
    for (const id of parents) {
      const parent = this.#watched.get(id);
      if (!parent || this.#isDown(id) || this.#isDoubted(parent)) steadySince.delete(id);
      else if (!steadySince.has(id)) steadySince.set(id, Math.min(this.#now, Math.max(countFrom, parent.heardAt ?? 0)));
    }
  }

  /** How many components below one have no other way up. */
  #blockedBelow(id: string): number {
    const blocked = new Set([id]);
    const isCutOff = ({ parents }: Watched) => parents.every((parent) => blocked.has(parent) || this.#isDown(parent));
    for (const at of blocked) for (const child of this.#childrenOf(at)) if (isCutOff(child)) blocked.add(child.id);
    return blocked.size - 1;
  }

  #childrenOf(id: string): readonly Watched[] {
    if (!this.#children) {
      this.#children = new Map();
      const pairs = [...this.#watched.values()].flatMap((one) => one.parents.map((parent) => ({ parent, one })));
      const components = pairs.filter(({ one }) => one.toldSilent === undefined);
      const byParent = Map.groupBy(components, ({ parent }) => parent);
      this.#children = new Map([...byParent].map(([parent, list]) => [parent, list.map(({ one }) => one)]));
    }
    return this.#children.get(id) ?? [];
  }

  /** Silent itself, cut off, or revoked. */
  #isDown(id: string): boolean {
    if (id === ROOT) return false;
    const phase = this.#state(id)?.phase;
    return !this.#watched.has(id) || phase === 'overdue' || phase === 'unreachable';
  }

  #state(id: string): OverdueState | undefined {
    const changed = this.changes.get(id);
    return changed === undefined ? this.#memory.states.get(id) : (changed ?? undefined);
  }

  #set(state: OverdueState): OverdueState {
    this.changes.set(state.id, state);
    return state;
  }
}

/** Stands for the application server in `parents`. */
export const ROOT = '';

const isPending = ({ phase, told }: OverdueState): boolean => (phase === 'overdue' && !told) || phase === 'back';
