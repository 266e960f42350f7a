import type { Identity } from '@backhaul/identity';
import { Metrics } from '@backhaul/runtime';
import { type Parent, Uplink } from '@backhaul/transport';
import { acceptMessages } from '../../../proxy/src/accept/accept-path.ts';
import type { SubmissionKind } from '../../../proxy/src/accept/submission.ts';
import { proxyConfig } from '../../../proxy/src/config.ts';
import { type ProxyCore, proxyCore } from '../../../proxy/src/proxy-core.ts';
import type { Incarnation } from '../incarnation.ts';
import { SimDisk } from '../sim-disk.ts';
import { SimStore } from '../sim-store.ts';
import type { World } from '../world.ts';
import { type Run, SimNode } from './sim-node.ts';

export interface ProxyParts {
  readonly node: ProxyNode;
  readonly core: ProxyCore;
  readonly store: SimStore;
  readonly life: Incarnation;
}

/** A proxy: its real core over a simulated disk and network, and the one integrator that feeds it. */
export class ProxyNode extends SimNode {
  readonly disk = new SimDisk();
  readonly parents: readonly Parent[];
  /** while the process runs */
  core: ProxyCore | undefined;
  /** support instance that its integrator reports about; registered anew after every start, which changes nothing */
  instance: string | undefined;

  get limits() {
    return this.world.settings.spool;
  }

  constructor(world: World, identity: Identity, parents: readonly Parent[]) {
    super(world, identity);
    this.parents = parents;
  }

  /** What an integrator does over the socket; throws what the proxy refuses with. Undefined: there is no process to ask. */
  async submit(kind: SubmissionKind, values: readonly object[]) {
    const { core, instance } = this;
    if (core === undefined || instance === undefined || !this.running) return undefined;
    return await acceptMessages(
      core.accept,
      kind,
      values.map((value) => ({ instance, ...value })),
    );
  }

  protected make(life: Incarnation): Run {
    const { world, identity, parents, random } = this;
    const logger = this.logger();
    const { clock } = life;
    const conditions = world.diskConditions(this);
    const store = world.variation.store(new SimStore({ disk: this.disk, life, random, conditions }), this);
    const { spool, uplink: limits, heartbeatMs } = world.settings;
    const config = proxyConfig.parse({
      ...{ dataDirectory: `/simulated/${this.id}`, trustDomain: identity.trustDomain, parents },
      ...{ installer: { enabled: false }, spool, uplink: limits, heartbeat: { intervalMs: heartbeatMs } },
    });
    const metrics = new Metrics('proxy');
    const core = proxyCore({
      ...{ self: this.id, config, store, clock, random, logger, metrics },
      fetchArtifact: (sha256, size, path, how) => uplink.fetchArtifact(sha256, size, path, how),
      uplink: () => uplink.status(),
    });
    const variation = world.variation;
    variation.proxy({ node: this, core, store: store as SimStore, life });
    const uplink = new Uplink({
      ...{ self: identity, parents: config.parents, tls: 'plain', ...core.upward, ...config.uplink },
      ...{ clock, random, logger, metrics },
      connect: (parent) => world.connection(world.network.connect(life, identity, parent), this),
    });
    return {
      components: [store, core.state, uplink, core.runner, ...core.timers],
      started: () => {
        this.core = core;
        void this.#register(core, life);
      },
      crash: () => {
        this.core = undefined;
        (store as SimStore).crash();
      },
    };
  }

  /** The integrator comes back after every start and says what it looks after; it tries until it is told yes. */
  async #register(core: ProxyCore, life: Incarnation): Promise<void> {
    try {
      const { registrar } = core;
      const { id: integrator } = await registrar.registerIntegrator({ name: 'sim', platform: 'sim', version: '1' });
      const about = { integrator, platform: 'sim', managementId: this.id, name: this.id, type: 'server' };
      const { id } = await registrar.registerInstance(about);
      this.instance = id;
    } catch {
      life.after(5_000, 'register again', () => void this.#register(core, life));
    }
  }
}
