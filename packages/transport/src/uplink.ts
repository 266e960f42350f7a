import { LIMITS, type Mark, type Verdict } from '@backhaul/envelope';
import type { Identity, TlsMaterial } from '@backhaul/identity';
import type { Clock, Component, Logger, Metrics, Random } from '@backhaul/runtime';
import type { Change, Removed, Spool, SpoolEntry, Store } from '@backhaul/spool';
import PQueue from 'p-queue';
import { type FetchOptions, fetchArtifact } from './artifact-fetch.ts';
import { EnvelopeSender } from './envelope-sender.ts';
import { Forwarder } from './forwarder.ts';
import { LineTurns } from './line-turns.ts';
import type { OutboundProxy } from './outbound-proxy.ts';
import type { KnownNumbers } from './outbox/known-numbers.ts';
import { Pace, type PaceLimits } from './pace.ts';
import type { ArtifactSpan, Parent, ParentConnection } from './parent-connection.ts';
import { ParentLink } from './parent-link.ts';
import { ParentPulse } from './parent-pulse.ts';
import { returnToPreferred } from './parent-return.ts';
import { type LinkHealth, ParentSet } from './parent-set.ts';
import { Poller } from './poller.ts';
import { relayThrough } from './relay-through.ts';
import { SendWatchdog } from './send-watchdog.ts';
import type { DownwardHandler } from './types.ts';
import { type UplinkMetrics, uplinkMetrics } from './uplink-metrics.ts';

/** `fenced`: something of ours was refused because another epoch of ours has taken over. */
export type OnMarks = (marks: readonly Mark[], how: { readonly fenced: boolean }) => void | Promise<void>;

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
  /** What a parent's clock says, wall ms, in the first exchange with it; the spool is told anyway. */
  readonly onParentTime?: (now: number) => void;
  /** What a parent holds of our own lanes; called in the first exchange with it, before anything is sent to it. */
  readonly onMarks?: OnMarks;
  /** which of our own numbers parents can know: told of all that is sent */
  readonly known?: KnownNumbers;
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
  /** how fast what is not urgent may be sent */
  readonly pace?: PaceLimits | undefined;
}

export interface UplinkStatus extends LinkHealth {
  /** id of the parent used now */
  readonly parent: string;
  /** messages in the spool */
  readonly backlog: number;
  /** wall ms since when the sender makes no progress although it could; absent while all is well */
  readonly stalledAt?: number;
  /** wall ms since when what the parent sent is not taken; absent while all is well */
  readonly receiveStalledAt?: number;
}

/** How long a parent may leave the question whether it is there unanswered: nothing is gained by leaving an only one. */
const PATIENCE_MS = { only: 10_000, redundant: 2_000 } as const;
const MAX_ENVELOPE_BYTES = 4 * 1024 * 1024;
/** What is in flight at a stop may be answered within this time; then it is taken back. */
const DRAIN_MS = 5_000;

/** A component's way up: sends what the spool holds, takes what the parent has for it, fetches artifacts. */
export class Uplink implements Component {
  readonly name = 'uplink';
  readonly #options: UplinkOptions;
  readonly #metrics: UplinkMetrics;
  readonly #parents: ParentSet;
  readonly #pulse: ParentPulse;
  readonly #sender: EnvelopeSender;
  readonly #turns: LineTurns;
  readonly #sends: PQueue;
  readonly #forwarder: Forwarder;
  readonly #poller: Poller;
  readonly #watchdog: SendWatchdog;
  #running: { stopping: AbortController; loops: Promise<unknown> } | undefined;

  constructor(options: UplinkOptions) {
    this.#options = options;
    this.#metrics = uplinkMetrics(options.metrics, {
      connected: () => this.#parents.health().connected,
      inFlight: () => this.#forwarder.inFlight,
    });
    const { clock, random, logger, spool, store, downward, onRemoved, onMarks } = options;
    const metrics = this.#metrics;
    const window = options.window ?? LIMITS.window;
    const common = { clock, random, logger, metrics };
    const patienceMs = options.parents.length > 1 ? PATIENCE_MS.redundant : PATIENCE_MS.only;
    this.#parents = new ParentSet(connections(options, window), { ...common, onLost: () => this.#poller.renew() });
    this.#pulse = new ParentPulse({ clock, random, patienceMs });
    const boot = random.bytes(8).toString('hex');
    const shared = { ...common, parents: this.#parents, pulse: this.#pulse };
    this.#sends = new PQueue({ concurrency: window });
    const { maxBytes = MAX_ENVELOPE_BYTES, compress = false } = options;
    const pace = new Pace(clock, options.pace);
    this.#turns = new LineTurns({
      clock,
      isWanted: () => pace.waitMs() === 0 && spool.unsent() > 0,
      onFree: () => this.#forwarder.wake(),
    });
    this.#sender = new EnvelopeSender({
      ...shared,
      turns: this.#turns,
      self: options.self.id,
      boot,
      maxBytes,
      compress,
      known: options.known,
    });
    this.#forwarder = new Forwarder({
      ...{ ...shared, store, spool, onRemoved, window, pace, sender: this.#sender, sends: this.#sends },
      turns: this.#turns,
      maxMessages: options.maxMessages ?? LIMITS.messages,
      onFenced: (link) => this.#poller.fenced(link),
      onProgress: () => this.#watchdog.progress(),
    });
    const onGreeted = (): void => this.#forwarder.wake();
    const onParentTime = (now: number): void => {
      spool.noteParentTime(now);
      options.onParentTime?.(now);
    };
    const told = { onGreeted, onParentTime, ...(onMarks ? { onMarks } : {}) };
    this.#poller = new Poller({ ...shared, downward, boot, ...told });
    this.#watchdog = new SendWatchdog({
      ...{ ...shared, store, spool },
      oldestSend: () => this.#forwarder.oldestSend,
      beginAnew: () => this.#beginAnew(),
    });
  }

  async start(): Promise<void> {
    if (this.#running) return;
    this.#options.known?.begin();
    const stopping = new AbortController();
    const { signal } = stopping;
    const returning = { parents: this.#parents, pulse: this.#pulse, clock: this.#options.clock };
    const loops = Promise.all([
      this.#forwarder.run(signal),
      this.#poller.run(signal),
      ...(this.#options.parents.length > 1 ? [returnToPreferred(returning, signal)] : []),
    ]);
    this.#watchdog.start();
    this.#running = { stopping, loops };
  }

  /** Nothing new is sent; what is in flight is waited for a little, then taken back into the spool. */
  async stop(): Promise<void> {
    const running = this.#running;
    if (!running) return;
    this.#running = undefined;
    running.stopping.abort();
    await this.#watchdog.stop();
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
      request: (sha: string, span: ArtifactSpan, signal: AbortSignal) =>
        this.#parents.current().artifact(sha, span, signal),
      isThin: () => this.#sender.isThin,
      turn: (signal: AbortSignal) => this.#turns.piece(signal),
      onBytes: (bytes: number) => this.#metrics.artifactBytes.inc({}, bytes),
    };
    return fetchArtifact(context, sha256, size, toPath, options);
  }

  /**
   * Sends these now, outside the spool, and tells what the parent says of each: custody stays with whoever sent them here. Throws
   * retryable refusals only: BH-E-PARENT-UNREACHABLE at once while the parent is not there, BH-E-PARENT-SILENT, BH-E-BUSY, and
   * what the parent refuses the whole with.
   */
  async relay(entries: readonly SpoolEntry[], { signal }: { signal?: AbortSignal } = {}): Promise<readonly Verdict[]> {
    const { maxMessages = LIMITS.messages, maxBytes = MAX_ENVELOPE_BYTES } = this.#options;
    const through = { parents: this.#parents, sender: this.#sender, sends: this.#sends, maxMessages, maxBytes };
    try {
      return await relayThrough(through, entries, signal);
    } finally {
      this.#forwarder.wake(); // the window has room again
    }
  }

  status(): UplinkStatus {
    const parent = this.#parents.current().parent.id;
    const { stalledAt } = this.#watchdog;
    const { stalledAt: receiveStalledAt } = this.#poller;
    return {
      ...this.#parents.health(),
      ...{ parent, backlog: this.#options.spool.depth().messages },
      ...(stalledAt === undefined ? {} : { stalledAt }),
      ...(receiveStalledAt === undefined ? {} : { receiveStalledAt }),
    };
  }

  /** What is under way is given up, and the parent is greeted as if for the first time. */
  #beginAnew(): void {
    this.#sender.break();
    this.#parents.greetAnew(this.#parents.current());
    this.#forwarder.wake();
  }
}

/** One place more than the window for the question whether the parent is there. */
function connections(options: UplinkOptions, window: number): ParentConnection[] {
  const { self, tls, outboundProxy } = options;
  const proxy = outboundProxy ? { outboundProxy } : {};
  const overHttp = (parent: Parent) => new ParentLink({ self, parent, tls, ...proxy, connections: window + 1 });
  return options.parents.map(options.connect ?? overHttp);
}
