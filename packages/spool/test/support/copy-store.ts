import { MemoryStore, type Op } from '@backhaul/spool';

/** All that a store holds, as one commit that makes it again. */
export async function copyOf(store: MemoryStore): Promise<Op[]> {
  const ops: Op[] = [];
  for await (const [key, value] of store.scan('')) if (!key.startsWith('!')) ops.push({ type: 'put', key, value });
  return ops;
}

/** A store, open, that holds nothing but what was copied. */
export async function storeOf(ops: readonly Op[]): Promise<MemoryStore> {
  const store = new MemoryStore();
  await store.start();
  await store.commit(ops);
  return store;
}

/** After a failed write: until it takes commits again. */
export async function opened(store: MemoryStore): Promise<void> {
  while (store.state !== 'open') await new Promise((resolve) => setImmediate(resolve));
}
