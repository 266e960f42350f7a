import { commitChanges, type Op, type Settlement } from '@backhaul/spool';
import type { Incarnation } from '../incarnation.ts';
import type { SimDisk } from '../sim-disk.ts';
import type { SimStore } from '../sim-store.ts';
import { AS_IS, type Variation } from './variation.ts';

/** A variation that puts something in one or a few places. */
export function planted(name: string, places: Partial<Omit<Variation, 'name'>>): Variation {
  return { ...AS_IS, ...places, name };
}

/** Replaces methods of one object that production code made; `original` is the object with its old methods. */
export function replace<T extends object>(target: T, make: (original: T) => Partial<T>): void {
  const original = new Proxy(target, {
    get(object, key) {
      const value = before.get(key) ?? Reflect.get(object, key, object);
      return typeof value === 'function' ? value.bind(object) : value;
    },
  });
  const before = new Map<string | symbol, unknown>();
  const changes = make(original);
  for (const key of Object.keys(changes)) before.set(key, Reflect.get(target, key, target));
  for (const [key, descriptor] of Object.entries(Object.getOwnPropertyDescriptors(changes)))
    Object.defineProperty(target, key, { ...descriptor, configurable: true });
}

/** How long the second half of what should be one commit is missing on the disk. */
const LATE_MS = 5_000;

interface Late {
  readonly at: number;
  readonly op: Op;
  readonly before: Uint8Array | undefined;
}

/**
 * A commit reaches the disk in two halves when it holds both kinds of operations: `isFirst` at once, the rest five seconds later.
 * The program that runs notices nothing; after a crash in between the rest is missing.
 */
export function splitCommit(
  store: SimStore,
  disk: SimDisk,
  life: Incarnation,
  isFirst: (op: Op) => boolean,
  applies: (ops: readonly Op[]) => boolean = () => true,
): void {
  let late: Late[] = [];
  replace(store, (original) => ({
    async commit(ops: readonly Op[]) {
      const rest = ops.filter((op) => !isFirst(op));
      const isSplit = rest.length > 0 && rest.length < ops.length && applies(ops);
      const before = isSplit ? rest.map((op) => disk.get(op.key)) : [];
      await original.commit(ops);
      const at = life.clock.monotonic();
      late = late.filter((one) => at - one.at < LATE_MS);
      if (isSplit) late.push(...rest.map((op, i) => ({ at, op, before: before[i] })));
    },
    crash() {
      original.crash();
      const missing = late.filter(({ at }) => life.clock.monotonic() - at < LATE_MS);
      disk.apply(missing.toReversed().flatMap(({ op, before }) => undo(disk, op, before)));
    },
  }));
}

/** What was not written, unless something else has been written there since. */
function undo(disk: SimDisk, op: Op, before: Uint8Array | undefined): Op[] {
  const now = disk.get(op.key);
  if (op.type === 'put' ? now !== op.value : now !== undefined) return [];
  if (before === undefined) return op.type === 'put' ? [{ type: 'del', key: op.key }] : [];
  return [{ type: 'put', key: op.key, value: before }];
}

export const ACCEPTED: Settlement = { outcome: 'accepted' };
export { commitChanges };
