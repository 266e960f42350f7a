import type { StatusNode } from '@backhaul/envelope';
import { type Clock, VERSION } from '@backhaul/runtime';
import type { Numbering, Spool, Store } from '@backhaul/spool';
import type { UplinkStatus } from '@backhaul/transport';
import type { Directory } from './directory/directory.ts';
import type { CommandBoard } from './downward/command-board.ts';
import type { InstallRunner } from './install/install-runner.ts';

interface ProxyStatusSources {
  readonly self: string;
  readonly startedAt: number;
  readonly numbering: Numbering;
  readonly spool: Spool;
  readonly store: Store;
  readonly directory: Directory;
  readonly board: CommandBoard;
  readonly runner: InstallRunner;
  readonly clock: Clock;
  readonly uplink: () => UplinkStatus;
  readonly tree: () => StatusNode;
}

/** What `GET /v1/status` and the command `get-status` answer. Times in ms since 1970. */
export function proxyStatus({
  self,
  startedAt,
  numbering,
  spool,
  store,
  directory,
  board,
  runner,
  clock,
  uplink,
  tree,
}: ProxyStatusSources) {
  return {
    id: self,
    version: VERSION,
    startedAt,
    now: clock.now(),
    epoch: numbering.epoch,
    uplink: uplink(),
    spool: spool.depth(),
    store: { state: store.state, accepting: store.accepting, ...store.stats(), findings: store.findings().length },
    integrators: directory.integrators().length,
    instances: directory.instances().length,
    commandsPending: board.size,
    installs: runner.jobs().map(({ offer, step, outcome, changedAt }) => ({
      push: offer.id,
      name: offer.name,
      version: offer.version,
      step,
      outcome,
      changedAt,
    })),
    tree: tree(),
  };
}
