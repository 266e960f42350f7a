import { type StatusNode, writeStatus } from '@backhaul/envelope';
import { type Clock, type Component, type Logger, type Timer, VERSION } from '@backhaul/runtime';
import { commitChanges, type Mailboxes, type Spool, type Store } from '@backhaul/spool';
import type { UplinkStatus } from '@backhaul/transport';
import type { Membership } from './membership/membership.ts';
import type { OwnMessages } from './own-messages.ts';

/** How it goes with the parent. */
export type ParentHealth = Pick<UplinkStatus, 'connected' | 'nextRetryAt' | 'lastError'>;

export interface StatusOptions {
  readonly self: string;
  readonly membership: Membership;
  readonly mailboxes: Mailboxes;
  readonly spool: Spool;
  readonly parent: () => ParentHealth;
  readonly heardAt: (id: string) => number | undefined;
  readonly clock: Clock;
}

/** This MLM and its direct children, as it sees them. */
export function statusTree(options: StatusOptions): StatusNode {
  const { self, membership, spool, clock } = options;
  const { connected, nextRetryAt, lastError } = options.parent();
  const depth = spool.depth();
  const now = clock.now();
  const children = membership.tree.children.filter(({ state }) => state === 'active');
  return {
    kind: 'mlm',
    id: self,
    state: connected ? 'ok' : 'degraded',
    version: VERSION,
    backlog: depth.messages,
    ...(depth.oldestAt === undefined ? {} : { oldestMs: Math.max(0, now - depth.oldestAt) }),
    ...(connected || nextRetryAt === undefined ? {} : { nextRetryMs: Math.max(0, nextRetryAt - now) }),
    ...(connected || lastError === undefined ? {} : { detail: `${lastError.code} ${lastError.detail ?? ''}`.trim() }),
    children: children.map((child) => childNode(options, child)),
  };
}

function childNode({ mailboxes, heardAt }: StatusOptions, { id, kind }: { id: string; kind: string }): StatusNode {
  const heard = heardAt(id);
  const waiting = mailboxes.depth(id).messages;
  return {
    kind: kind === 'mlm' ? 'mlm' : 'proxy',
    id,
    state: heard === undefined ? 'unknown' : 'ok',
    ...(heard === undefined ? {} : { heardAt: heard }),
    detail: heard === undefined ? 'not heard since this MLM started' : `${waiting} messages in its mailbox`,
    children: [],
  };
}

/** Says every so often that it is there, with the tree. One heartbeat waits in the spool for at most its time to live. */
export class Heartbeat implements Component {
  readonly name = 'heartbeat';
  readonly #options: {
    readonly tree: () => StatusNode;
    readonly own: OwnMessages;
    readonly store: Store;
    readonly intervalMs: number;
    readonly clock: Clock;
    readonly logger: Logger;
  };
  #timer: Timer | undefined;
  #running = false;

  constructor(options: {
    tree: () => StatusNode;
    own: OwnMessages;
    store: Store;
    intervalMs: number;
    clock: Clock;
    logger: Logger;
  }) {
    this.#options = options;
  }

  async start(): Promise<void> {
    this.#running = true;
    await this.#beat();
  }

  async stop(): Promise<void> {
    this.#running = false;
    this.#timer?.cancel();
  }

  async #beat(): Promise<void> {
    const { own, store, tree, intervalMs, clock, logger } = this.#options;
    try {
      const content = writeStatus(clock.now(), tree());
      const draft = {
        lane: 4,
        classification: 'infrastructure-administration',
        class: 'infrastructure',
        subclass: 'heartbeat',
        content,
        expiresInMs: intervalMs * LIVES_INTERVALS,
      } as const;
      await commitChanges(store, own.stage([draft]));
    } catch (error) {
      logger.warn({ error }, 'a heartbeat could not be stored');
    }
    if (this.#running) this.#timer = clock.after(intervalMs, () => void this.#beat());
  }
}

/** Heartbeats older than this tell nothing that a newer one does not. */
const LIVES_INTERVALS = 10;
