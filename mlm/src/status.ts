import { type StatusNode, writeStatus } from '@backhaul/envelope';
import type { ModuleChain } from '@backhaul/modules';
import { type Clock, type Component, type Logger, type Timer, VERSION } from '@backhaul/runtime';
import { commitChanges, type Mailboxes, type Spool, type Store } from '@backhaul/spool';
import type { Outbox, UplinkStatus } from '@backhaul/transport';
import type { Membership } from './membership/membership.ts';

/** How it goes with the parent. */
export type ParentHealth = Pick<UplinkStatus, 'connected' | 'nextRetryAt' | 'lastError'>;

export interface StatusOptions {
  readonly self: string;
  readonly membership: Membership;
  readonly mailboxes: Mailboxes;
  readonly spool: Spool;
  readonly parent: () => ParentHealth;
  readonly modules: Pick<ModuleChain, 'status'>;
  readonly heardAt: (id: string) => number | undefined;
  readonly clock: Clock;
}

/** This MLM and its direct children, as it sees them. */
export function statusTree(options: StatusOptions): StatusNode {
  const { self, membership, spool, clock } = options;
  const { connected, nextRetryAt } = options.parent();
  const detail = troubles(options).join('; ');
  const depth = spool.depth();
  const now = clock.now();
  const children = membership.tree.children.filter(({ state }) => state === 'active');
  return {
    kind: 'mlm',
    id: self,
    state: detail === '' ? 'ok' : 'degraded',
    version: VERSION,
    backlog: depth.messages,
    ...(depth.oldestAt === undefined ? {} : { oldestMs: Math.max(0, now - depth.oldestAt) }),
    ...(connected || nextRetryAt === undefined ? {} : { nextRetryMs: Math.max(0, nextRetryAt - now) }),
    ...(detail === '' ? {} : { detail }),
    children: children.map((child) => childNode(options, child)),
  };
}

/** What somebody should look at. A parent that has not been asked yet, at the start, is no trouble. */
function troubles({ parent, modules }: StatusOptions): string[] {
  const { connected, lastError } = parent();
  const line = connected || lastError === undefined ? [] : [`the parent does not answer ${lastError.code}`];
  const out = modules.status().filter(({ state }) => state === 'taken-out');
  return [...line, ...out.map(({ name, lastFault }) => `module ${name} was taken out: ${lastFault}`)];
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

/**
 * Says every so often that it is there, with the tree. While the parent does not answer none is made: a heartbeat speaks of
 * now, and a pile of old ones would only stand in the way of what has waited.
 */
export class Heartbeat implements Component {
  readonly name = 'heartbeat';
  readonly #options: {
    readonly tree: () => StatusNode;
    readonly connected: () => boolean;
    readonly own: Outbox;
    readonly store: Store;
    readonly intervalMs: number;
    readonly clock: Clock;
    readonly logger: Logger;
  };
  #timer: Timer | undefined;
  #running = false;

  constructor(options: {
    tree: () => StatusNode;
    connected: () => boolean;
    own: Outbox;
    store: Store;
    intervalMs: number;
    clock: Clock;
    logger: Logger;
  }) {
    this.#options = options;
  }

  /** The first one goes at once, whatever the line. */
  async start(): Promise<void> {
    this.#running = true;
    await this.#beat();
    this.#schedule();
  }

  async stop(): Promise<void> {
    this.#running = false;
    this.#timer?.cancel();
  }

  async #beat(): Promise<void> {
    const { own, store, tree, clock, logger } = this.#options;
    try {
      const content = writeStatus(clock.now(), tree());
      const draft = {
        lane: 4,
        classification: 'infrastructure-administration',
        class: 'infrastructure',
        subclass: 'heartbeat',
        content,
      } as const;
      await commitChanges(store, own.stageAll([draft]));
    } catch (error) {
      logger.warn({ error }, 'a heartbeat could not be stored');
    }
  }

  #schedule(): void {
    const { intervalMs, clock, connected } = this.#options;
    if (!this.#running) return;
    this.#timer = clock.after(intervalMs, () => {
      const beaten = connected() ? this.#beat() : Promise.resolve();
      void beaten.then(() => this.#schedule());
    });
  }
}
