import type { Op } from '@backhaul/spool';
import { MlmNode } from '../nodes/mlm-node.ts';
import { ProxyNode } from '../nodes/proxy-node.ts';
import type { PlantedBug } from './all-planted.ts';
import { planted, replace, splitCommit } from './plant.ts';

/** Bugs under the cores: of a store, or of what is written in one commit. */
export const IN_STORES: readonly PlantedBug[] = [
  {
    name: 'commit without sync',
    kinds: ['crash', 'slow-disk'],
    variation: planted('commit without sync', {
      store(store) {
        replace(store, (original) => ({
          async commit(ops: readonly Op[]) {
            void original.commit(ops).catch(() => {});
          },
        }));
        return store;
      },
    }),
  },
  {
    name: 'accept after append error',
    kinds: ['crash', 'disk-error', 'disk-full'],
    variation: planted('accept after append error', {
      store(store, node) {
        if (!(node instanceof ProxyNode)) return store;
        let kept: ReadonlyMap<string, Uint8Array> | undefined;
        replace(store.conditions, (original) => ({
          outcome() {
            if (original.outcome() !== 'done') kept ??= node.disk.snapshot();
            return 'done' as const; // LevelDB goes on as if nothing had been, and loses it at the next opening
          },
        }));
        replace(store, (original) => ({
          crash() {
            original.crash();
            if (kept !== undefined) node.disk.restore(kept);
          },
        }));
        return store;
      },
    }),
  },
  {
    name: 'torn batch taken for whole',
    kinds: ['crash', 'slow-disk'],
    variation: planted('torn batch taken for whole', {
      store(store, node) {
        if (!(node instanceof ProxyNode || node instanceof MlmNode)) return store;
        const underWay = new Set<readonly Op[]>();
        replace(store, (original) => ({
          async commit(ops: readonly Op[]) {
            underWay.add(ops);
            await original.commit(ops).finally(() => underWay.delete(ops));
          },
          crash() {
            original.crash();
            for (const ops of underWay) node.disk.apply(ops.slice(0, Math.ceil(ops.length / 2)));
          },
        }));
        return store;
      },
    }),
  },
  {
    name: 'aggregate deletes its inputs first',
    kinds: ['crash'],
    variation: planted('aggregate deletes its inputs first', {
      mlm: ({ node, store, life }) =>
        splitCommit(store, node.disk, life, ({ type, key }) => type === 'del' && key.startsWith('held/')),
    }),
  },
  {
    name: 'expansion is not one commit',
    kinds: ['crash'],
    variation: planted('expansion is not one commit', {
      mlm: ({ node, store, life }) =>
        splitCommit(
          store,
          node.disk,
          life,
          ({ key }) => !key.startsWith('mailbox/'),
          (ops) => ops.some(({ key }) => key.startsWith('down/')),
        ),
    }),
  },
];
