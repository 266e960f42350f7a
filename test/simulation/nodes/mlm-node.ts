import type { Identity } from '@backhaul/identity';
import { type Component, Metrics } from '@backhaul/runtime';
import type { Removed } from '@backhaul/spool';
import { Heartbeat, KnownNumbers, type Parent, renewEpochIfRestored, Uplink } from '@backhaul/transport';
import { mlmConfig } from '../../../mlm/src/config.ts';
import { type MlmCore, mlmCore } from '../../../mlm/src/mlm-core.ts';
import type { Incarnation } from '../incarnation.ts';
import { SimDisk } from '../sim-disk.ts';
import { SimStore } from '../sim-store.ts';
import type { World } from '../world.ts';
import { type SimServer, simServer } from './line-server.ts';
import { type Run, SimNode } from './sim-node.ts';

/** An MLM: its real core over a simulated disk, between a simulated network above and below. */
export class MlmNode extends SimNode {
  readonly disk = new SimDisk();
  readonly parents: readonly Parent[];
  core: MlmCore | undefined;

  get limits() {
    return this.world.settings.mlmSpool;
  }

  constructor(world: World, identity: Identity, parents: readonly Parent[]) {
    super(world, identity);
    this.parents = parents;
  }

  protected make(life: Incarnation): Run {
    const { world, identity, parents, random } = this;
    const logger = this.logger();
    const { clock } = life;
    const conditions = world.diskConditions(this);
    const store = world.variation.store(new SimStore({ disk: this.disk, life, random, conditions }), this);
    const { uplink: limits, heartbeatMs, modules, mlmSpool } = world.settings;
    const config = mlmConfig.parse({
      ...{ dataDirectory: `/simulated/${this.id}`, trustDomain: identity.trustDomain, parents, modules },
      ...{ spool: mlmSpool, uplink: { ...limits, compress: false }, heartbeat: { intervalMs: heartbeatMs } },
    });
    const metrics = new Metrics('mlm');
    const core = mlmCore({
      ...{ self: this.id, config, store, clock, random, logger, metrics },
      fetch: (sha256, size, path, how) => uplink.fetchArtifact(sha256, size, path, how),
      relay: (entries) => uplink.relay(entries),
      parent: () => uplink.status(),
      onRevoked: (child) => server.disconnect(child),
    });
    world.variation.mlm({ node: this, core, store: store as SimStore, life });
    const { numbering, spool, own, downward, upward } = core;
    const known = new KnownNumbers({ self: this.id, numbering });
    const renewing = { self: this.id, numbering, known, spool, outbox: own, store, clock, logger };
    const uplink: Uplink = new Uplink({
      ...{ self: identity, parents: config.parents, tls: 'plain', store, spool, downward, ...config.uplink },
      ...{ clock, random, logger, metrics, ...upward },
      onRemoved: (removed: readonly Removed[]) => own.receipts(removed),
      ...{ known, onMarks: async (marks, how) => void (await renewEpochIfRestored(renewing, marks, how)) },
      connect: (parent) => world.connection(world.network.connect(life, identity, parent), this),
    });
    const onRefused = (from: string, error: unknown) => world.refused(this.id, from, error);
    const handler = world.watched(this.id, core.handler);
    const server: SimServer = simServer({ self: this.id, handler, life, random, logger, onRefused });
    const { state, transfers, windows, housekeeping, status } = core;
    const connected = () => uplink.status().connected;
    const heartbeat = new Heartbeat({
      ...{ self: this.id, title: 'MLM', tree: status, connected, outbox: own, numbering, spool, store },
      ...{ intervalMs: heartbeatMs, clock, logger },
    });
    const listener: Component = {
      name: 'listener',
      start: async () => world.network.listen(this.id, server),
      stop: async () => {
        server.drain();
        world.network.hangUp(this.id);
      },
    };
    return {
      components: [store, state, core.modules, uplink, transfers, windows, housekeeping, heartbeat, listener],
      started: () => {
        this.core = core;
      },
      crash: () => {
        this.core = undefined;
        (store as SimStore).crash();
      },
    };
  }
}
