import type { Lane, Tombstone } from '@backhaul/envelope';
import type { Action } from '@backhaul/modules';
import { type Change, type Op, stagedChange } from '@backhaul/spool';
import { encodeHeld, type HeldMessage } from './held-message.ts';

/** Past these numbers a message that a module wants to hold passes instead. */
export const HOLDING_LIMITS = { groups: 10_000, bytes: 64 * 1024 * 1024 } as const;

export type Hold = Extract<Action, { do: 'hold' }>;

/** The messages that will become one. `id` is the id of the aggregate, given before there is one. */
export interface HoldingGroup {
  readonly id: string;
  readonly module: string;
  readonly key: string;
  readonly rule: string;
  readonly lane: Lane;
  readonly count: number;
  /** wall ms at which it is made of what there is */
  readonly deadline: number;
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
  #bytes = 0;

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

  /** Begins a plan for one batch; nothing changes until it is staged. */
  planner(): HoldingPlanner {
    return new HoldingPlanner(this.#groups, this.#bytes, this.#newId);
  }

  due(now: number): HoldingGroup[] {
    return [...this.#groups.values()].filter(({ deadline }) => deadline <= now);
  }

  /** What came back from the store. A clock that was set back does not make a window longer. */
  replace(groups: readonly HoldingGroup[]): void {
    this.#groups.clear();
    this.#bytes = 0;
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
    const before = this.#groups.get(place(group));
    this.#bytes += bytesOf(group) - (before === undefined ? 0 : bytesOf(before));
    this.#groups.set(place(group), group);
  }

  #drop(group: HoldingGroup): void {
    const before = this.#groups.get(place(group));
    if (before !== undefined) this.#bytes -= bytesOf(before);
    this.#groups.delete(place(group));
  }
}

/** The groups as one batch would leave them. */
export class HoldingPlanner implements HoldingPlan {
  readonly grown = new Map<string, HoldingGroup>();
  readonly closed: HoldingGroup[] = [];
  readonly #groups: ReadonlyMap<string, HoldingGroup>;
  readonly #newId: () => string;
  #bytes: number;

  constructor(groups: ReadonlyMap<string, HoldingGroup>, bytes: number, newId: () => string) {
    this.#groups = groups;
    this.#bytes = bytes;
    this.#newId = newId;
  }

  /** False when there is no room to hold it: it passes. */
  hold(module: string, action: Hold, held: HeldMessage): boolean {
    const { header, headerBytes, body } = held.message;
    const at = place({ module, key: action.key, lane: header.lane });
    const open = this.grown.get(at) ?? (this.#isClosed(at) ? undefined : this.#groups.get(at));
    this.#bytes += headerBytes.length + body.length;
    if (this.#bytes > HOLDING_LIMITS.bytes || (open === undefined && this.#isFull())) return false;
    const group = open ?? this.#begin(module, action, header.lane, held.receivedAt);
    const grown = { ...group, parts: [...group.parts, held] };
    if (grown.parts.length < group.count) this.grown.set(at, grown);
    else {
      this.grown.delete(at);
      this.closed.push(grown);
    }
    return true;
  }

  #begin(module: string, { key, rule, count, windowMs }: Hold, lane: Lane, now: number): HoldingGroup {
    return { id: this.#newId(), module, key, rule, lane, count, deadline: now + windowMs, parts: [], stored: 0 };
  }

  #isClosed(at: string): boolean {
    const known = this.#groups.get(at);
    return known !== undefined && this.closed.some(({ id }) => id === known.id);
  }

  #isFull(): boolean {
    return this.#groups.size + this.grown.size >= HOLDING_LIMITS.groups;
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
