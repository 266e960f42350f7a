import type { Lane, Tombstone } from '@backhaul/envelope';
import type { Action } from '@backhaul/modules';
import { type Change, type Op, stagedChange } from '@backhaul/spool';
import { encodeHeld, type HeldMessage } from './held-message.ts';

/** Past these numbers a message that a module wants to hold passes instead. */
export const HOLDING_LIMITS = { groups: 10_000, bytes: 64 * 1024 * 1024 } as const;
/** One child may use this part of them: what it makes up must not end the aggregation of the others. */
export const CHILD_SHARE = 1 / 4;

/** What is held, of all children or of one. */
interface Usage {
  readonly groups: number;
  readonly bytes: number;
}

/** No window is longer than a day. */
export const MAX_WINDOW_MS = 86_400_000;

const NOTHING_HELD: Usage = { groups: 0, bytes: 0 };

export type Hold = Extract<Action, { do: 'hold' }>;

/** The messages that will become one. `id` is the id of the aggregate, given before there is one. */
export interface HoldingGroup {
  readonly id: string;
  readonly module: string;
  readonly key: string;
  readonly rule: string;
  readonly lane: Lane;
  /** the direct child that began it, to whose share it counts; absent in what an older release stored */
  readonly via?: string;
  readonly count: number;
  /** wall ms at which it is made of what there is */
  readonly deadline: number;
  /** ms; absent in what an older release stored */
  readonly windowMs?: number;
  readonly parts: readonly HeldMessage[];
  /** how many of the parts are stored, with the group itself */
  readonly stored: number;
}

/** What one batch did to the groups: the open ones that grew, and the full ones, which become aggregates in the same commit. */
export interface HoldingPlan {
  readonly grown: ReadonlyMap<string, HoldingGroup>;
  readonly closed: readonly HoldingGroup[];
}

/**
 * Messages held for aggregation. States of a message: held (stored under its group, its sender answered [A1]), or merged
 * (removed in the commit that spools the aggregate [A2]). A group leaves only by `close`.
 *
 * A plan changes nothing; what is in memory changes when its operations are submitted (`Change.ops` is read), and is loaded
 * again from the store when a commit fails.
 */
export class Aggregation {
  /** by module and key */
  readonly #groups = new Map<string, HoldingGroup>();
  readonly #newId: () => string;
  /** by direct child; of all together under the empty name */
  readonly #usage = new Map<string, Usage>();

  constructor(options: { newId: () => string }) {
    this.#newId = options.newId;
  }

  get messages(): number {
    return [...this.#groups.values()].reduce((sum, { parts }) => sum + parts.length, 0);
  }

  get groups(): number {
    return this.#groups.size;
  }

  get nextDeadline(): number | undefined {
    const deadlines = [...this.#groups.values()].map(({ deadline }) => deadline);
    return deadlines.length === 0 ? undefined : Math.min(...deadlines);
  }

  /** Begins a plan for one batch of a direct child; nothing changes until it is staged. */
  planner(child: string): HoldingPlanner {
    const used = { all: this.#usageOf(ALL), child: this.#usageOf(child) };
    return new HoldingPlanner(this.#groups, { child, used, newId: this.#newId });
  }

  /** Past its window, or further from its end than the window is long: then the clock was set back. */
  due(now: number): HoldingGroup[] {
    return [...this.#groups.values()].filter(
      ({ deadline, windowMs = MAX_WINDOW_MS }) => deadline <= now || deadline - now > windowMs,
    );
  }

  /** What came back from the store. A clock that was set back does not make a window longer. */
  replace(groups: readonly HoldingGroup[]): void {
    this.#groups.clear();
    this.#usage.clear();
    for (const group of groups) this.#put(group);
  }

  /** Stores what was held [A1], removes what was merged [A2]. */
  stage(plan: HoldingPlan): Change {
    return stagedChange(() => this.#submit(plan));
  }

  #submit({ grown, closed }: HoldingPlan): Op[] {
    const ops: Op[] = [];
    for (const group of closed) {
      ops.push(...removeOps(group));
      if (this.#groups.get(place(group))?.id === group.id) this.#drop(group);
    }
    for (const group of grown.values()) {
      ops.push(...storeOps(group));
      this.#put({ ...group, stored: group.parts.length });
    }
    return ops;
  }

  #put(group: HoldingGroup): void {
    this.#drop(group);
    this.#count(group, 1);
    this.#groups.set(place(group), group);
  }

  #drop(group: HoldingGroup): void {
    const before = this.#groups.get(place(group));
    if (before !== undefined) this.#count(before, -1);
    this.#groups.delete(place(group));
  }

  #count(group: HoldingGroup, sign: 1 | -1): void {
    for (const name of group.via === undefined ? [ALL] : [ALL, group.via]) {
      const { groups, bytes } = this.#usageOf(name);
      const left = { groups: groups + sign, bytes: bytes + sign * bytesOf(group) };
      if (left.groups === 0) this.#usage.delete(name);
      else this.#usage.set(name, left);
    }
  }

  #usageOf(name: string): Usage {
    return this.#usage.get(name) ?? NOTHING_HELD;
  }
}

const ALL = '';

interface PlannerOptions {
  readonly child: string;
  /** before this batch */
  readonly used: { readonly all: Usage; readonly child: Usage };
  readonly newId: () => string;
}

/** The groups as one batch would leave them. */
export class HoldingPlanner implements HoldingPlan {
  readonly grown = new Map<string, HoldingGroup>();
  readonly closed: HoldingGroup[] = [];
  readonly #groups: ReadonlyMap<string, HoldingGroup>;
  readonly #options: PlannerOptions;
  /** added by this batch */
  #begun = 0;
  #bytes = 0;

  constructor(groups: ReadonlyMap<string, HoldingGroup>, options: PlannerOptions) {
    this.#groups = groups;
    this.#options = options;
  }

  /** False when there is no room to hold it, here or in the child's share: it passes. */
  hold(module: string, action: Hold, held: HeldMessage): boolean {
    const { header, headerBytes, body } = held.message;
    const at = place({ module, key: action.key, lane: header.lane });
    const open = this.grown.get(at) ?? (this.#isClosed(at) ? undefined : this.#groups.get(at));
    const bytes = headerBytes.length + body.length;
    if (!this.#hasRoom(open === undefined ? 1 : 0, bytes)) return false;
    const group = open ?? this.#begin(module, action, header.lane, held.receivedAt);
    this.#bytes += bytes;
    const grown = { ...group, parts: [...group.parts, held] };
    if (grown.parts.length < group.count) this.grown.set(at, grown);
    else {
      this.grown.delete(at);
      this.closed.push(grown);
    }
    return true;
  }

  #begin(module: string, { key, rule, count, windowMs }: Hold, lane: Lane, now: number): HoldingGroup {
    const { newId, child } = this.#options;
    this.#begun += 1;
    const deadline = now + windowMs;
    return { id: newId(), module, key, rule, lane, via: child, count, deadline, windowMs, parts: [], stored: 0 };
  }

  #isClosed(at: string): boolean {
    const known = this.#groups.get(at);
    return known !== undefined && this.closed.some(({ id }) => id === known.id);
  }

  #hasRoom(groups: number, bytes: number): boolean {
    const { all, child } = this.#options.used;
    const fits = (used: Usage, share: number): boolean =>
      used.groups + this.#begun + groups <= HOLDING_LIMITS.groups * share &&
      used.bytes + this.#bytes + bytes <= HOLDING_LIMITS.bytes * share;
    return fits(all, 1) && fits(child, CHILD_SHARE);
  }
}

/** What this batch added to groups: parts of a closed one are merged, the others are announced as held. The earlier ones were announced before. */
export function holdingTombstones({ grown, closed }: HoldingPlan, at: string): Tombstone[] {
  const merged = closed.flatMap((group) => partTombstones(group, 'merged', at));
  const held = [...grown.values()].flatMap((group) => partTombstones(group, 'held', at));
  return [...merged, ...held];
}

function partTombstones({ id, rule, parts, stored }: HoldingGroup, reason: 'held' | 'merged', at: string): Tombstone[] {
  return parts.slice(stored).map(({ message: { header } }) => ({
    source: header.source,
    epoch: header.epoch,
    lane: header.lane,
    from: header.sequence,
    to: header.sequence,
    reason,
    rule,
    aggregate: id,
    at,
  }));
}

export const HELD_PREFIX = 'held/';

/** What is stored of a group beside its parts. */
export type StoredGroup = Omit<HoldingGroup, 'parts' | 'stored'>;

function storeOps(group: HoldingGroup): Op[] {
  const { parts, stored, ...about } = group;
  const ops: Op[] = parts
    .slice(stored)
    .map((part, i) => ({ type: 'put', key: partKey(group.id, stored + i), value: encodeHeld(part) }));
  if (stored === 0) ops.unshift({ type: 'put', key: groupKey(group.id), value: Buffer.from(JSON.stringify(about)) });
  return ops;
}

function removeOps({ id, stored }: HoldingGroup): Op[] {
  if (stored === 0) return [];
  const parts = Array.from({ length: stored }, (_, i): Op => ({ type: 'del', key: partKey(id, i) }));
  return [{ type: 'del', key: groupKey(id) }, ...parts];
}

function groupKey(id: string): string {
  return `${HELD_PREFIX}${id}`;
}

function partKey(id: string, index: number): string {
  return `${groupKey(id)}/${String(index).padStart(6, '0')}`;
}

function place({ module, key, lane }: { module: string; key: string; lane: Lane }): string {
  return `${module}|${lane}|${key}`;
}

function bytesOf({ parts }: HoldingGroup): number {
  return parts.reduce((sum, { message }) => sum + message.headerBytes.length + message.body.length, 0);
}
