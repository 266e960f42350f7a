import type { StatusNode } from '@backhaul/envelope';
import type { ModuleChain } from '@backhaul/modules';
import { type Clock, VERSION } from '@backhaul/runtime';
import type { Mailboxes, Spool } from '@backhaul/spool';
import type { UplinkStatus } from '@backhaul/transport';
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
