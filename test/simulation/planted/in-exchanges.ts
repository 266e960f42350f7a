import { readEnvelope, readReply } from '@backhaul/envelope';
import type { Answer, DownwardHandler, ParentConnection } from '@backhaul/transport';
import { WIRE_HEADERS } from '@backhaul/transport';
import type { Database, Transaction } from '../../../appserver/src/store/database.ts';
import { instead } from '../watched-handler.ts';
import type { PlantedBug } from './all-planted.ts';
import { planted, replace } from './plant.ts';
import type { MlmPartsOf } from './variation.ts';

type Place = { epoch: string; through: number };

/** Bugs of what is said between a child and its parent, and of what comes down. */
export const IN_EXCHANGES: readonly PlantedBug[] = [
  {
    name: 'acknowledged before it is stored',
    kinds: ['crash', 'slow-disk', 'disk-full'],
    variation: planted('acknowledged before it is stored', {
      proxy: ({ core }) => hasty(core.upward.downward),
      mlm: ({ core }) => hasty(core.downward),
    }),
  },
  {
    name: 'answered before the commit',
    kinds: ['crash', 'slow-disk', 'disk-full'],
    variation: planted('answered before the commit', { appserver: ({ database }) => early(database) }),
  },
  {
    name: 'what was seen is forgotten at a restart',
    kinds: ['crash', 'lost-reply', 'stall'],
    hours: 0.5,
    variation: planted('what was seen is forgotten at a restart', {
      appserver: ({ core }) => replace(core.receiver, () => ({ start: async () => {} })),
    }),
  },
  {
    name: 'no new epoch after a restored copy',
    kinds: ['restored-copy'],
    variation: planted('no new epoch after a restored copy', {
      proxy: ({ core }) => replace(core.upward, () => ({ onMarks: async () => {} })),
    }),
  },
  {
    name: 'more is acknowledged than was handed out',
    kinds: ['byzantine-proxy'],
    variation: planted('more is acknowledged than was handed out', {
      mlm: ({ core }) =>
        replace(core.mailboxes, (original) => ({
          acknowledge: (owner: string, epoch: string, number: number) =>
            original.acknowledge(owner, epoch, number).catch(() => {}),
        })),
    }),
  },
  {
    name: "another's mailbox is acknowledged, too",
    kinds: ['lost-reply'],
    variation: planted("another's mailbox is acknowledged, too", { mlm: everybodys }),
  },
  {
    name: 'a mailbox forgets what it has handed out',
    kinds: ['lost-reply'],
    variation: planted('a mailbox forgets what it has handed out', {
      mlm: ({ core }) =>
        replace(core.mailboxes, (original) => ({
          async read(owner: string, budget: { maxMessages: number; maxBytes: number }) {
            const page = await original.read(owner, budget);
            if (page.messages.length > 0) await original.acknowledge(owner, page.epoch, page.through);
            return page;
          },
        })),
    }),
  },
  {
    name: 'the reply to an earlier envelope is honoured',
    kinds: ['lost-request'],
    variation: planted('the reply to an earlier envelope is honoured', { connection: stale }),
  },
  {
    name: 'membership is read late',
    kinds: [],
    variation: planted('membership is read late', {
      mlm: ({ core }) =>
        replace(core.membership, (original) => ({
          stage(...[document, than]: Parameters<typeof core.membership.stage>) {
            const before = than ?? original.tree;
            const staged = original.stage(document, before);
            return staged && { ...staged, tree: before };
          },
        })),
    }),
  },
  {
    name: 'two copies on the way to one MLM',
    kinds: [],
    variation: planted('two copies on the way to one MLM', {
      appserver: ({ core }) =>
        replace(core.mailboxes, (original) => ({
          async put(...[tx, owners, message]: Parameters<typeof core.mailboxes.put>) {
            await original.put(tx, [...owners, ...owners], message);
          },
        })),
    }),
  },
];

function hasty(handler: DownwardHandler): void {
  let told: Place | undefined;
  replace(handler, (original) => ({
    async receive(messages: Parameters<DownwardHandler['receive']>[0], mailbox: Place) {
      told = mailbox;
      void original.receive(messages, mailbox).catch(() => {});
    },
    acknowledged: () => told ?? original.acknowledged(),
  }));
}

function early(database: Database): void {
  replace(database, (original) => ({
    transaction<T>(work: (tx: Transaction) => Promise<T>): Promise<T> {
      return new Promise((resolve, reject) => {
        const working = async (tx: Transaction): Promise<T> => {
          const result = await work(tx);
          resolve(result);
          return result;
        };
        original.transaction(working).catch(reject);
      });
    },
  }));
}

function everybodys({ core }: MlmPartsOf): void {
  replace(core.mailboxes, (original) => ({
    async acknowledge(owner: string, epoch: string, number: number) {
      await original.acknowledge(owner, epoch, number);
      for (const { id } of core.membership.tree.children)
        if (id !== owner) await original.acknowledge(id, epoch, number).catch(() => {});
    },
  }));
}

/** When an envelope is not answered, the last answer that speaks of as many messages is taken for its own. */
function stale(connection: ParentConnection): ParentConnection {
  let last: { messages: number; answer: Answer } | undefined;
  return instead(connection, {
    async post(body, headers, options) {
      if (headers[WIRE_HEADERS.link] === undefined) return await connection.post(body, headers, options);
      const messages = readEnvelope(headers['content-type'] ?? '', body).length;
      try {
        const answer = await connection.post(body, headers, options);
        if (readReply(answer.contentType, answer.body).response.verdicts.every(({ accepted }) => accepted))
          last = { messages, answer };
        return answer;
      } catch (error) {
        if (last?.messages === messages) return last.answer;
        throw error;
      }
    },
  });
}
