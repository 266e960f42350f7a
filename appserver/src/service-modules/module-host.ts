import type { Header } from '@backhaul/envelope';
import { BackhaulError, type Clock, type Logger, type Metrics } from '@backhaul/runtime';
import type { Arrival } from '../receiver/arrival.ts';
import type { Fault } from '../receiver/refusals.ts';
import type { Transaction } from '../store/database.ts';
import { LentTransaction } from './lent-transaction.ts';
import {
  type HandleResult,
  isSubscribed,
  type ModuleContext,
  type ServiceModule,
  type TransferRequest,
} from './service-module.ts';

/** A module that holds a transaction longer than this has failed. */
const HANDLE_LIMIT_MS = 5_000;
/** Faults on so many different messages in a row, and a module is taken out until the next start. */
const FAULTS_TOLERATED = 20;
/** Kinds of messages of which it is remembered who wants them. */
const MAX_KINDS = 1_000;

interface Hosted {
  readonly module: ServiceModule;
  /** messages and ticks on which it has failed since it last did its work; one that is tried again counts once */
  readonly failedOn: Set<string>;
  faults: number;
  lastFault: string | undefined;
}

export interface ModuleReport {
  readonly name: string;
  readonly state: 'running' | 'taken out';
  readonly faults: number;
  readonly lastFault?: string;
}

/** What a module made of a message that it did not take: it refused, or (with `detail`) it failed. */
export type NotTaken = { readonly module: string } | Fault;

/** Ends the savepoint of a message that a module did not take. */
class Stopped extends Error {
  readonly outcome: NotTaken;

  constructor(outcome: NotTaken) {
    super(outcome.module);
    this.outcome = outcome;
  }
}

/** Runs the service modules, each apart from the others and from the message. */
export class ModuleHost {
  readonly #hosted: readonly Hosted[];
  readonly #clock: Clock;
  readonly #logger: Logger;
  readonly #failures: ReturnType<Metrics['counter']>;
  /** by class, subclass and content type */
  readonly #interested = new Map<string, readonly Hosted[]>();

  constructor(modules: readonly ServiceModule[], clock: Clock, logger: Logger, metrics: Metrics) {
    this.#hosted = modules.map((module) => ({ module, failedOn: new Set(), faults: 0, lastFault: undefined }));
    this.#clock = clock;
    this.#logger = logger;
    this.#failures = metrics.counter('module_failures_total', 'Messages or ticks on which a service module failed', [
      'module',
    ]);
  }

  get modules(): readonly ServiceModule[] {
    return this.#hosted.map(({ module }) => module);
  }

  async start(context: ModuleContext): Promise<void> {
    for (const { module } of this.#hosted) await module.start?.(context);
  }

  async stop(): Promise<void> {
    for (const { module } of this.#hosted.toReversed()) await module.stop?.();
  }

  /**
   * Gives a message to everybody who subscribed to it, in the order of the list. One that does not take it undoes what
   * others wrote: a refusal is the message's verdict, a failure is told.
   */
  async dispatch(tx: Transaction, arrival: Arrival): Promise<NotTaken | undefined> {
    const interested = this.#interestedIn(arrival.header);
    if (interested.length === 0 || !readable(arrival)) return undefined;
    const handleAll = async () => {
      for (const hosted of interested) await this.#handle(tx, hosted, arrival);
    };
    try {
      await tx.savepoint(handleAll);
      return undefined;
    } catch (error) {
      if (!(error instanceof Stopped)) throw error;
      return error.outcome;
    }
  }

  async tick(tx: Transaction, now: number): Promise<void> {
    for (const hosted of this.#hosted) {
      const { tick } = hosted.module;
      if (tick && isRunning(hosted))
        await this.#apart(tx, hosted, `tick ${now}`, (lent) => tick.call(hosted.module, lent, now));
    }
  }

  async moveTimes(tx: Transaction, ms: number, before: number): Promise<void> {
    for (const hosted of this.#hosted) {
      const { moveTimes } = hosted.module;
      if (moveTimes && isRunning(hosted))
        await this.#apart(tx, hosted, `clock ${before}`, (lent) => moveTimes.call(hosted.module, lent, ms, before));
    }
  }

  /** @throws BH-E-BULK-REFUSED when a module says no */
  authorizeTransfer(request: TransferRequest): void {
    for (const { module } of this.#hosted) {
      const answer = module.authorizeTransfer?.(request);
      if (answer?.allowed !== false) continue;
      throw new BackhaulError('BH-E-BULK-REFUSED', {
        detail: `${module.name}: ${answer.reason}`,
        retryAfterMs: answer.waitMs,
      });
    }
  }

  report(): ModuleReport[] {
    return this.#hosted.map((hosted) => ({
      name: hosted.module.name,
      state: isRunning(hosted) ? 'running' : 'taken out',
      faults: hosted.faults,
      ...(hosted.lastFault === undefined ? {} : { lastFault: hosted.lastFault }),
    }));
  }

  /** Of what senders may name, only so much is remembered. */
  #interestedIn(header: Header): readonly Hosted[] {
    const kind = `${header.class} ${header.subclass} ${header.contentType}`;
    const known = this.#interested.get(kind);
    if (known !== undefined) return known;
    const interested = this.#hosted.filter(({ module }) => module.handle && isSubscribed(module, header));
    if (this.#interested.size >= MAX_KINDS) this.#interested.clear();
    this.#interested.set(kind, interested);
    return interested;
  }

  /** @throws Stopped */
  async #handle(tx: Transaction, hosted: Hosted, arrival: Arrival): Promise<void> {
    const { module } = hosted;
    if (!isRunning(hosted)) return arrival.addNote(`${module.name} is taken out`);
    const outcome = await this.#apart(tx, hosted, arrival.header.id, (lent) => module.handle!(lent, arrival));
    if ('failed' in outcome) throw new Stopped({ module: module.name, detail: outcome.failed });
    if ('unreadable' in outcome) return arrival.addNote(`${module.name} failed: ${outcome.unreadable}`);
    settle(arrival, module, outcome.result);
    if (arrival.verdict) throw new Stopped({ module: module.name });
  }

  /** Whatever the module wrote is undone when it throws or does not come back; nobody else notices. `on`: what it is at. */
  async #apart<T>(
    tx: Transaction,
    hosted: Hosted,
    on: string,
    work: (lent: Transaction) => Promise<T>,
  ): Promise<{ result: T } | { failed: string } | { unreadable: string }> {
    const lent = new LentTransaction(tx);
    try {
      const result = await tx.savepoint(() => this.#inTime(work(lent)));
      hosted.failedOn.clear();
      return { result };
    } catch (error) {
      if (isStoreFailure(error)) throw error;
      if (isUnreadable(error)) return { unreadable: this.#badMessage(hosted, error) };
      return { failed: this.#fault(hosted, on, error) };
    } finally {
      lent.takeBack();
    }
  }

  #inTime<T>(work: Promise<T>): Promise<T> {
    const { promise, reject } = Promise.withResolvers<never>();
    const timer = this.#clock.after(HANDLE_LIMIT_MS, () => reject(new Error(`no result after ${HANDLE_LIMIT_MS} ms`)));
    return Promise.race([work, promise]).finally(() => timer.cancel());
  }

  /** [T-A35] The message is at fault, not the module: a sender must not be able to have a module taken out for everybody. */
  #badMessage(hosted: Hosted, { code, detail }: BackhaulError): string {
    hosted.faults++;
    hosted.lastFault = code;
    this.#failures.inc({ module: hosted.module.name });
    this.#logger.warn({ module: hosted.module.name, code, detail }, 'a service module could not read a message');
    return detail === undefined ? code : `${code}: ${detail}`;
  }

  #fault(hosted: Hosted, on: string, error: unknown): string {
    const text = error instanceof Error ? error.message : String(error);
    hosted.faults++;
    hosted.failedOn.add(on);
    hosted.lastFault = text;
    this.#failures.inc({ module: hosted.module.name });
    this.#logger.error({ error, module: hosted.module.name }, 'a service module failed');
    if (!isRunning(hosted))
      this.#logger.error({ module: hosted.module.name }, 'a service module is taken out after repeated faults');
    return text;
  }
}

/** The store's fault is not the module's: the whole envelope waits. */
const isStoreFailure = (error: unknown): boolean =>
  error instanceof BackhaulError && error.code === 'BH-E-SPOOL-STOPPED';

/** A coded refusal of what it was given, as the readers of content throw it. */
const isUnreadable = (error: unknown): error is BackhaulError =>
  error instanceof BackhaulError && error.code !== 'BH-E-INTERNAL' && !error.retryable;

const isRunning = (hosted: Hosted): boolean => hosted.failedOn.size < FAULTS_TOLERATED;

/** What cannot be read is the sender's fault, not the module's: refused with the reader's own code. */
function readable(arrival: Arrival): boolean {
  try {
    arrival.content();
    return true;
  } catch (error) {
    if (!(error instanceof BackhaulError)) throw error;
    arrival.refuse(error.code, error.detail ?? error.sentence);
    return false;
  }
}

function settle(arrival: Arrival, module: ServiceModule, result: HandleResult): void {
  if (result === undefined) return;
  if ('note' in result) arrival.addNote(`${module.name}: ${result.note}`);
  else arrival.refuse(result.refuse, `${module.name}: ${result.detail}`);
}
