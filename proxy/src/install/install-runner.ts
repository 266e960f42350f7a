import { mkdir, readdir, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import {
  BackhaulError,
  type Clock,
  type Component,
  type ErrorCode,
  freeDiskBytes,
  type Logger,
  toBackhaulError,
} from '@backhaul/runtime';
import { type Change, commitChanges, type Op, type Store } from '@backhaul/spool';
import type { Outbox } from '@backhaul/transport';
import type { ProxyMetrics } from '../proxy-metrics.ts';
import {
  type InstallEvent,
  type InstallJob,
  type InstallStep,
  newInstall,
  type Offer,
  stepInstall,
  waitOf,
} from './install-machine.ts';
import { installMessages } from './install-messages.ts';
import type { InstallerClient } from './installer-client.ts';

const PREFIX = 'install/';
/** ended jobs that are remembered, for `get-status` */
const REMEMBERED = 50;
/** free disk that a fetch must leave */
const RESERVE_BYTES = 64 * 1024 * 1024;
const IDLE_MS = 60_000;
/** Between attempts to write a step down that the store does not take, doubled each time. */
const FIRST_KEEP_WAIT_MS = 1_000;
const LONGEST_KEEP_WAIT_MS = 60_000;

const STORE_TAKES_NOTHING: ReadonlySet<ErrorCode> = new Set<ErrorCode>(['BH-E-SPOOL-FULL', 'BH-E-SPOOL-STOPPED']);

export interface InstallRunnerOptions {
  readonly self: string;
  readonly store: Store;
  readonly outbox: Outbox;
  /** none: there is no installer here, everything is refused */
  readonly installer: InstallerClient | undefined;
  readonly artifactsDirectory: string;
  readonly fetchArtifact: (
    sha256: string,
    size: number,
    toPath: string,
    options: { signal: AbortSignal },
  ) => Promise<void>;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly metrics: ProxyMetrics;
}

/**
 * Carries out what the install machine says, one offer after the other: every transition is one commit of the job and the
 * messages that tell of it, so that what the provider was told is what is on disk here. Takes up unfinished jobs at its start.
 * A step that was done and that the store does not take is not done again: it waits to be written down.
 */
export class InstallRunner implements Component {
  readonly name = 'install-runner';
  readonly #options: InstallRunnerOptions;
  #jobs = new Map<string, InstallJob>();
  #running: { stopping: AbortController; loop: Promise<void> } | undefined;
  #woken = new AbortController();

  constructor(options: InstallRunnerOptions) {
    this.#options = options;
  }

  async load(): Promise<void> {
    const jobs = new Map<string, InstallJob>();
    for await (const [, value] of this.#options.store.scan(PREFIX)) {
      const job = JSON.parse(Buffer.from(value).toString()) as InstallJob;
      jobs.set(job.offer.id, job);
    }
    this.#jobs = jobs;
    this.wake(); // what is due after a reopening is not put off by a look before it
  }

  jobs(): readonly InstallJob[] {
    return [...this.#jobs.values()];
  }

  /** The job of a new offer, for the commit of the message that brought it. Call `wake` after it. */
  stageOffer(offer: Offer): { step: InstallStep; change: Change } {
    const step = newInstall(offer, this.#options.clock.now());
    return { step, change: this.#put(step.job) };
  }

  wake(): void {
    this.#woken.abort();
  }

  async start(): Promise<void> {
    if (this.#running) return;
    await mkdir(this.#options.artifactsDirectory, { recursive: true, mode: 0o700 });
    await this.#removeStrays();
    const stopping = new AbortController();
    this.#running = { stopping, loop: this.#loop(stopping.signal) };
  }

  async stop(): Promise<void> {
    const running = this.#running;
    this.#running = undefined;
    running?.stopping.abort();
    await running?.loop;
  }

  async #loop(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      this.#woken = new AbortController();
      const now = this.#options.clock.now();
      const open = this.jobs().filter(({ step }) => step !== 'ended');
      const due = open.find((job) => waitOf(job, now) === 0);
      if (due !== undefined) await this.#advance(due, signal);
      else
        await this.#options.clock.sleep(
          Math.min(IDLE_MS, ...open.map((job) => waitOf(job, now))),
          AbortSignal.any([signal, this.#woken.signal]),
        );
    }
  }

  async #advance(job: InstallJob, signal: AbortSignal): Promise<void> {
    try {
      await this.#perform(job, signal);
    } catch (thrown) {
      if (signal.aborted) return; // taken up again at the next start
      const error = toBackhaulError(thrown);
      const { name, version } = job.offer;
      const { clock, logger } = this.#options;
      logger.warn(
        {
          push: job.offer.id,
          name,
          version,
          step: job.step,
          code: error.code,
          detail: error.detail,
          ...(error.cause === undefined ? {} : { cause: error.cause }),
        },
        'an install met trouble',
      );
      await this.#apply(job.offer.id, { type: 'trouble', error }, signal).catch(() => clock.sleep(1_000, signal));
    }
  }

  async #perform(job: InstallJob, signal: AbortSignal): Promise<void> {
    const { offer } = job;
    const { clock } = this.#options;
    if (offer.expiresAt !== undefined && offer.expiresAt <= clock.now()) throw new BackhaulError('BH-E-EXPIRED');
    if (job.step === 'judge') await this.#judge(offer, signal);
    else if (job.step === 'fetch') await this.#fetch(offer, signal);
    else await this.#install(offer, signal);
  }

  async #judge(offer: Offer, signal: AbortSignal): Promise<void> {
    const { manifest, signature, publicKey } = offer;
    await this.#installer().ask({ op: 'judge', manifest, signature, publicKey }, signal);
    await this.#apply(offer.id, { type: 'allowed' }, signal);
  }

  async #fetch({ id, sha256, size }: Offer, signal: AbortSignal): Promise<void> {
    const path = this.#path(sha256);
    const here = await stat(path).catch(() => undefined);
    if (here?.size !== size) {
      await rm(path, { force: true });
      await checkSpace(this.#options.artifactsDirectory, size);
      await this.#options.fetchArtifact(sha256, size, path, { signal });
    }
    await this.#apply(id, { type: 'fetched' }, signal);
  }

  /** Progress is committed in the order in which it came, the outcome last. */
  async #install({ id, manifest, signature, publicKey, sha256 }: Offer, signal: AbortSignal): Promise<void> {
    let told: Promise<void> = Promise.resolve();
    const tell = (event: InstallEvent) => {
      told = told.then(() => this.#apply(id, event, signal));
      told.catch(() => {}); // looked at below, when the installer has ended
    };
    try {
      await this.#installer().ask(
        { op: 'install', path: this.#path(sha256), manifest, signature, publicKey },
        signal,
        tell,
      );
      tell({ type: 'installed' });
    } finally {
      await told;
    }
  }

  #installer(): InstallerClient {
    if (this.#options.installer !== undefined) return this.#options.installer;
    throw new BackhaulError('BH-E-POLICY-DENY', { detail: 'the installer is switched off here (installer.enabled)' });
  }

  /** One transition, written down as soon as the store takes it: a full spool or disk is no trouble of the install. */
  async #apply(id: string, event: InstallEvent, signal: AbortSignal): Promise<void> {
    const { clock, logger } = this.#options;
    for (let waitMs = FIRST_KEEP_WAIT_MS; ; waitMs = Math.min(2 * waitMs, LONGEST_KEEP_WAIT_MS)) {
      try {
        return await this.#commit(id, event);
      } catch (thrown) {
        const { code, detail } = toBackhaulError(thrown);
        if (signal.aborted || !STORE_TAKES_NOTHING.has(code)) throw thrown;
        logger.warn({ push: id, event: event.type, code, detail, waitMs }, 'a step of an install cannot be kept now');
        await clock.sleep(waitMs, signal);
      }
    }
  }

  /** Job and messages in one commit. */
  async #commit(id: string, event: InstallEvent): Promise<void> {
    const { self, store, outbox, clock, metrics, logger } = this.#options;
    const before = this.#jobs.get(id);
    if (before === undefined) return;
    const step = stepInstall(before, event, clock.now());
    if (step.job === before) return;
    const staged = outbox.stage(installMessages(step, self, clock.now()), { receipts: true });
    await commitChanges(store, [this.#put(step.job), ...this.#forgetOld(), ...staged.changes]);
    for (const { state, code } of step.reports) {
      metrics.installs.inc({ state });
      logger.info(
        {
          push: id,
          name: step.job.offer.name,
          version: step.job.offer.version,
          state,
          ...(code === undefined ? {} : { code }),
        },
        'install step',
      );
    }
    if (step.discard) await this.#discard(step.job.offer.sha256);
  }

  #put(job: InstallJob): Change {
    const id = job.offer.id;
    const op: Op = { type: 'put', key: `${PREFIX}${id}`, value: Buffer.from(JSON.stringify(job)) };
    return { ops: [op], applied: () => void this.#jobs.set(id, job) };
  }

  /** Offer ids sort by the time they were made. */
  #forgetOld(): Change[] {
    const ended = this.jobs().filter(({ step }) => step === 'ended');
    const old = ended
      .map(({ offer }) => offer.id)
      .toSorted()
      .slice(0, Math.max(0, ended.length - REMEMBERED));
    return old.map((id) => ({
      ops: [{ type: 'del', key: `${PREFIX}${id}` }],
      applied: () => void this.#jobs.delete(id),
    }));
  }

  async #discard(sha256: string): Promise<void> {
    const needed = this.jobs().some(({ offer, step }) => offer.sha256 === sha256 && step === 'install');
    if (!needed) await rm(this.#path(sha256), { force: true });
  }

  /** Files that no open job waits for: left behind by a crash between a commit and the removal. */
  async #removeStrays(): Promise<void> {
    const { artifactsDirectory } = this.#options;
    const needed = this.jobs()
      .filter(({ step }) => step !== 'ended')
      .map(({ offer }) => offer.sha256);
    for (const name of await readdir(artifactsDirectory)) {
      if (!needed.some((sha256) => name.includes(sha256))) await rm(join(artifactsDirectory, name), { force: true });
    }
  }

  #path(sha256: string): string {
    return join(this.#options.artifactsDirectory, sha256);
  }
}

async function checkSpace(directory: string, size: number): Promise<void> {
  const free = await freeDiskBytes(directory);
  if (free < size + RESERVE_BYTES)
    throw new BackhaulError('BH-E-BULK-SPACE', { detail: `${size} bytes to fetch, ${free} free` });
}
