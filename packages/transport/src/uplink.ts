import { LIMITS, type Mark } from '@backhaul/envelope';
import type { Identity, TlsMaterial } from '@backhaul/identity';
import type { Clock, Component, Logger, Metrics, Random } from '@backhaul/runtime';
import type { Change, Removed, Spool, Store } from '@backhaul/spool';
import { type FetchOptions, fetchArtifact } from './artifact-fetch.ts';
import { Forwarder } from './forwarder.ts';
import type { OutboundProxy } from './outbound-proxy.ts';
import type { Parent, ParentConnection } from './parent-connection.ts';
import { ParentLink } from './parent-link.ts';
import { type LinkHealth, ParentSet } from './parent-set.ts';
import { Poller } from './poller.ts';
import type { DownwardHandler } from './types.ts';
import { type UplinkMetrics, uplinkMetrics } from './uplink-metrics.ts';

export interface UplinkOptions {
  readonly self: Identity;
  /** in order of preference */
  readonly parents: readonly Parent[];
  /** `plain`: one trusted LAN or loopback only */
  readonly tls: TlsMaterial | 'plain';
  readonly outboundProxy?: OutboundProxy | undefined;
  /** The way to a parent, instead of HTTP: a simulated network. */
  readonly connect?: (parent: Parent) => ParentConnection;
  readonly store: Store;
  readonly spool: Spool;
  readonly downward: DownwardHandler;
  /** The receipts of what left without delivery, for the same commit. */
  readonly onRemoved: (removed: readonly Removed[]) => Change;
  /** What a parent holds of our own lanes; called in the first exchange with it, before anything is sent to it. */
  readonly onMarks?: (marks: readonly Mark[]) => void | Promise<void>;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  readonly metrics: Metrics;
  /** envelopes in flight */
  readonly window?: number;
  readonly maxMessages?: number;
  /** bytes of messages in one envelope */
  readonly maxBytes?: number;
  /** compress what is sent; for WAN links */
  readonly compress?: boolean;
}

export interface UplinkStatus extends LinkHealth {
  /** id of the parent used now */
  readonly parent: string;
  /** messages in the spool */
  readonly backlog: number;
}

const MAX_ENVELOPE_BYTES = 4 * 1024 * 1024;
/** What is in flight at a stop may be answered within this time; then it is taken back. */
const DRAIN_MS = 5_000;

/** A component's way up: sends what the spool holds, takes what the parent has for it, fetches artifacts. */
export class Uplink implements Component {
  readonly name = 'uplink';
  readonly #options: UplinkOptions;
  readonly #metrics: UplinkMetrics;
  #parents: ParentSet;
  #forwarder: Forwarder;
  #poller: Poller;
  #running: { stopping: AbortController; loops: Promise<unknown> } | undefined;

  constructor(options: UplinkOptions) {
    this.#options = options;
    this.#metrics = uplinkMetrics(options.metrics, {
      connected: () => this.#parents.health().connected,
      inFlight: () => this.#forwarder.inFlight,
    });
    ({ parents: this.#parents, forwarder: this.#forwarder, poller: this.#poller } = this.#build());
  }

  async start(): Promise<void> {
    if (this.#running) return;
    const stopping = new AbortController();
    const loops = Promise.all([this.#forwarder.run(stopping.signal), this.#poller.run(stopping.signal)]);
    this.#running = { stopping, loops };
  }

  /** Nothing new is sent; what is in flight is waited for a little, then taken back into the spool. */
  async stop(): Promise<void> {
    const running = this.#running;
    if (!running) return;
    this.#running = undefined;
    running.stopping.abort();
    const timer = this.#options.clock.after(DRAIN_MS, () => this.#forwarder.giveUp());
    await running.loops;
    await this.#forwarder.settled();
    timer.cancel();
    await this.#parents.close();
  }

  /** Throws BH-E-BULK-GONE, BH-E-BULK-HASH, BH-E-BULK-SPACE, BH-E-PARENT-UNREACHABLE. */
  fetchArtifact(sha256: string, size: number, toPath: string, options: FetchOptions = {}): Promise<void> {
    const { clock, random, logger } = this.#options;
    const context = {
      ...{ clock, random, logger },
      request: (sha: string, offset: number, signal: AbortSignal) =>
        this.#parents.current().artifact(sha, offset, signal),
      onBytes: (bytes: number) => this.#metrics.artifactBytes.inc({}, bytes),
    };
    return fetchArtifact(context, sha256, size, toPath, options);
  }

  status(): UplinkStatus {
    const parent = this.#parents.current().parent.id;
    return { ...this.#parents.health(), parent, backlog: this.#options.spool.depth().messages };
  }

  #build() {
    const { self, tls, outboundProxy, clock, random, logger, store, spool, downward, onRemoved, onMarks } =
      this.#options;
    const window = this.#options.window ?? LIMITS.window;
    const metrics = this.#metrics;
    const proxy = outboundProxy ? { outboundProxy } : {};
    const overHttp = (parent: Parent) => new ParentLink({ self, parent, tls, ...proxy, connections: window + 1 });
    const connections = this.#options.parents.map(this.#options.connect ?? overHttp);
    const parents = new ParentSet(connections, { clock, random, logger, metrics });
    const common = { parents, clock, random, logger, metrics };
    const forwarder = new Forwarder({
      ...common,
      ...{ self: self.id, store, spool, onRemoved, window },
      maxMessages: this.#options.maxMessages ?? LIMITS.messages,
      maxBytes: this.#options.maxBytes ?? MAX_ENVELOPE_BYTES,
      compress: this.#options.compress ?? false,
    });
    const onGreeted = (): void => forwarder.wake();
    const poller = new Poller({ ...common, downward, onGreeted, ...(onMarks ? { onMarks } : {}) });
    return { parents, forwarder, poller };
  }
}
