import type { ErrorCode } from '@backhaul/runtime';
import type { Claim, LaneQueue, Removed, SpoolEntry } from '@backhaul/spool';
import type { Draft } from '@backhaul/transport';
import type { ProxyParts } from '../nodes/proxy-node.ts';
import { instead } from '../watched-handler.ts';
import type { PlantedBug } from './all-planted.ts';
import { ACCEPTED, commitChanges, planted, replace } from './plant.ts';

/** Bugs of the queue towards the parent, and of the receipts that stand for what left it. */
export const IN_SPOOLS: readonly PlantedBug[] = [
  {
    name: 'delete before send',
    kinds: ['lost-request'],
    variation: planted('delete before send', {
      proxy: ({ core, store }) =>
        replace(core.spool, (original) => ({
          async claim(budget: { maxMessages: number; maxBytes: number }) {
            const claim = await original.claim(budget);
            if (claim === undefined) return undefined;
            await commitChanges(store, [
              original.settle(
                claim,
                claim.entries.map(() => ACCEPTED),
              ).change,
            ]);
            return claim;
          },
        })),
    }),
  },
  {
    name: 'retry with a new id',
    kinds: ['lost-reply'],
    variation: planted('retry with a new id', { proxy: retryAsNew }),
  },
  {
    name: 'lane order broken by a retry',
    kinds: ['lost-request'],
    variation: planted('lane order broken by a retry', {
      proxy: ({ core }) => {
        let retrying = false;
        replace(core.spool, (original) => ({
          async claim(budget: { maxMessages: number; maxBytes: number }) {
            const claim = await original.claim(budget);
            if (claim !== undefined && retrying) (claim.entries as SpoolEntry[]).reverse();
            return claim;
          },
          release(claim: Claim, notBefore?: number) {
            retrying = true;
            original.release(claim, notBefore);
          },
        }));
      },
    }),
  },
  {
    name: 'expired without a receipt',
    kinds: ['partition', 'lost-request'],
    variation: planted('expired without a receipt', {
      proxy: ({ core, store }) =>
        replace(core.spool, (original) => ({
          expire(now: number) {
            const { change, removed } = original.expire(now);
            if (removed.length > 0) void commitChanges(store, [change]).catch(() => {});
            return { change, removed: [] };
          },
        })),
    }),
  },
  {
    name: 'evicted without a receipt',
    kinds: ['partition', 'small-spool'],
    variation: planted('evicted without a receipt', { proxy: ({ core }) => silent(core.spool, 'evicted') }),
  },
  {
    name: 'superseded without a receipt',
    kinds: ['partition', 'tiny-batches', 'lost-request'],
    hours: 0.5,
    variation: planted('superseded without a receipt', {
      proxy: ({ core }) => silent(core.spool, 'superseded'),
      mlm: ({ core }) => silent(core.spool, 'superseded'),
    }),
  },
  {
    name: 'a number is left out',
    kinds: [],
    variation: planted('a number is left out', {
      proxy: ({ core }) => {
        let count = 0;
        replace(core.numbering, (original) => ({
          stage(lane: number, wanted: number) {
            return original.stage(lane, wanted + (++count % 50 === 0 ? 1 : 0));
          },
        }));
      },
    }),
  },
  {
    name: 'filtered without a receipt',
    kinds: [],
    variation: planted('filtered without a receipt', {
      mlm: ({ core }) =>
        replace(core.own, (original) => ({
          stageAll(drafts: readonly Draft[], others?: readonly SpoolEntry[], how?: { receipts?: boolean }) {
            return original.stageAll(
              drafts.filter(({ subclass }) => subclass !== 'receipt'),
              others,
              how,
            );
          },
        })),
    }),
  },
  {
    name: 'throttle drops silently',
    kinds: [],
    variation: planted('throttle drops silently', {
      handler: (handler) =>
        instead(handler, {
          async accept(peer, messages) {
            const verdicts = await handler.accept(peer, messages);
            const throttled: ErrorCode = 'BH-E-THROTTLE';
            return verdicts.map((verdict) => (verdict.code === throttled ? { accepted: true } : verdict));
          },
        }),
    }),
  },
];

function silent(spool: LaneQueue, reason: Removed['reason']): void {
  replace(spool, (original) => ({
    stage(entries: readonly SpoolEntry[], options?: { receipts?: boolean }) {
      const staged = original.stage(entries, options);
      return instead(staged, { removed: staged.removed.filter((removed) => removed.reason !== reason) });
    },
  }));
}

function retryAsNew({ core, store }: ProxyParts): void {
  replace(core.spool, (original) => ({
    release(claim: Claim, notBefore?: number) {
      const isWork = (entry: SpoolEntry) => entry.class === 'x-sim';
      if (!claim.entries.every(isWork)) return original.release(claim, notBefore);
      const drafts = claim.entries.map((entry): Draft => {
        const { lane, body, class: name, subclass } = entry;
        const content = {
          type: subclass === 'alarm' ? 'alarm' : subclass === 'event' ? 'event' : 'data',
          bytes: body,
        } as const;
        return { lane: lane as 4, classification: 'data-collection', class: name, subclass, content };
      });
      const { change } = original.settle(
        claim,
        claim.entries.map(() => ACCEPTED),
      );
      void commitChanges(store, [...core.outbox.stageAll(drafts), change]).catch(() => {});
    },
  }));
}
