import { commitChanges, type Op, type Settlement } from '@backhaul/spool';
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

/** A commit becomes two when it holds both kinds of operations: `isFirst` goes first, the rest half a second later. */
export function splitCommit(
  store: SimStore,
  sleep: (ms: number) => Promise<void>,
  isFirst: (op: Op) => boolean,
  applies: (ops: readonly Op[]) => boolean = () => true,
): SimStore {
  replace(store, (original) => ({
    async commit(ops: readonly Op[]) {
      const first = ops.filter(isFirst);
      const rest = ops.filter((op) => !isFirst(op));
      if (first.length === 0 || rest.length === 0 || !applies(ops)) return await original.commit(ops);
      await original.commit(first);
      await sleep(500);
      await original.commit(rest);
    },
  }));
  return store;
}

export const ACCEPTED: Settlement = { outcome: 'accepted' };
export { commitChanges };
