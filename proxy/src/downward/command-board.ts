import { BackhaulError, type Clock } from '@backhaul/runtime';
import { type Change, type Store, stagedChange } from '@backhaul/spool';
import type { Answer } from './command-handler.ts';

const PREFIX = 'command/';
const ANSWERED = 'answered/';
const MAX_PENDING = 1_000;
/** First results remembered by event key, so that the same command by another path is answered with it; the oldest makes room. */
const REMEMBERED = 1_000;
/** A result larger than this is remembered without its data. */
const REMEMBERED_BYTES = 16 * 1024;
/** A command that was handed out and not answered is handed out again after this long. */
const HANDED_OUT_MS = 60_000;
const RETRY_MS = 10_000;

/** A command that an integrator has to carry out. */
export interface PendingCommand {
  /** id of the message that brought it */
  readonly id: string;
  readonly integrator: string;
  readonly instance: string;
  readonly class: string;
  /** the command */
  readonly subclass: string;
  readonly parameters: unknown;
  /** names the command itself, whichever path it came by */
  readonly eventKey?: string;
  /** wall ms here */
  readonly expiresAt?: number;
}

export interface FirstResult extends Answer {
  readonly eventKey: string;
  /** of the message that was answered: these sort in the order of time */
  readonly id: string;
}

/**
 * Commands for integrators, kept until they are answered or past their time [B1]. Which of them were handed out is known only in
 * memory: after a restart, or a minute without an answer, they are handed out again, so integrators see a command at least once.
 */
export class CommandBoard {
  readonly #store: Store;
  readonly #clock: Clock;
  #pending = new Map<string, PendingCommand>();
  #answered = new Map<string, FirstResult>();
  /** when each is past its time, monotonic ms: a clock that is set while it waits ends nothing [DESIGN §4.6] */
  #deadlines = new Map<string, number>();
  readonly #handedOut = new Map<string, number>();
  readonly #waiting = new Set<() => void>();

  constructor(options: { store: Store; clock: Clock }) {
    this.#store = options.store;
    this.#clock = options.clock;
  }

  async load(): Promise<void> {
    const answered = new Map<string, FirstResult>();
    const pending = new Map<string, PendingCommand>();
    for await (const [, value] of this.#store.scan(ANSWERED)) {
      const result = JSON.parse(Buffer.from(value).toString()) as FirstResult;
      answered.set(result.eventKey, result);
    }
    for await (const [, value] of this.#store.scan(PREFIX)) {
      const command = JSON.parse(Buffer.from(value).toString()) as PendingCommand;
      pending.set(command.id, command);
    }
    this.#answered = answered;
    this.#pending = pending;
    this.#deadlines = new Map(
      [...pending].map(([id, command]) => [id, this.#deadlines.get(id) ?? this.#deadline(command)]),
    );
    this.#handedOut.clear();
  }

  get size(): number {
    return this.#pending.size;
  }

  /** Throws BH-E-BUSY when too many wait. */
  stageAdd(command: PendingCommand): Change {
    if (this.#pending.size >= MAX_PENDING)
      throw new BackhaulError('BH-E-BUSY', {
        detail: `${MAX_PENDING} commands wait for integrators`,
        retryAfterMs: RETRY_MS,
      });
    return {
      ops: [{ type: 'put', key: `${PREFIX}${command.id}`, value: Buffer.from(JSON.stringify(command)) }],
      applied: () => {
        this.#pending.set(command.id, command);
        this.#deadlines.set(command.id, this.#deadline(command));
        for (const wake of this.#waiting) wake();
      },
    };
  }

  /** The same command that came by another path and waits still. */
  pendingTwin(eventKey: string | undefined): PendingCommand | undefined {
    if (eventKey === undefined) return undefined;
    return this.#pending.values().find((command) => command.eventKey === eventKey);
  }

  /** What the same command was answered with when it came by another path. */
  firstResult(eventKey: string | undefined): FirstResult | undefined {
    return eventKey === undefined ? undefined : this.#answered.get(eventKey);
  }

  /** It leaves, and its first result is remembered. */
  stageAnswered(command: PendingCommand, answer: Answer): Change {
    const removed = this.stageRemove(command.id);
    const { id, eventKey } = command;
    if (eventKey === undefined || this.#answered.has(eventKey)) return removed;
    const result = bounded({ ...answer, id, eventKey });
    const oldest = this.#answered.size < REMEMBERED ? undefined : this.#answered.values().next().value;
    return stagedChange(
      () => [
        ...removed.ops,
        { type: 'put', key: `${ANSWERED}${id}`, value: Buffer.from(JSON.stringify(result)) },
        ...(oldest === undefined ? [] : [{ type: 'del', key: `${ANSWERED}${oldest.id}` } as const]),
      ],
      () => {
        removed.applied();
        if (oldest !== undefined) this.#answered.delete(oldest.eventKey);
        this.#answered.set(eventKey, result);
      },
    );
  }

  pending(id: string): PendingCommand | undefined {
    return this.#pending.get(id);
  }

  /**
   * Once submitted it is not handed out and cannot be answered again; should the commit fail, the load after it brings it back.
   * A store that takes nothing is asked before that: then nothing has changed.
   */
  stageRemove(id: string): Change {
    return stagedChange(
      () => {
        this.#pending.delete(id);
        return [{ type: 'del', key: `${PREFIX}${id}` }];
      },
      () => {
        this.#handedOut.delete(id);
        this.#deadlines.delete(id);
      },
    );
  }

  /** Those past their time. */
  expired(): readonly PendingCommand[] {
    const now = this.#clock.monotonic();
    return [...this.#pending.values()].filter(({ id }) => (this.#deadlines.get(id) ?? Number.POSITIVE_INFINITY) <= now);
  }

  /** What an integrator has to do and was not told in the last minute; waits for it up to `waitMs`. */
  async take(integrator: string, waitMs: number, signal: AbortSignal): Promise<readonly PendingCommand[]> {
    const until = this.#clock.monotonic() + waitMs;
    for (;;) {
      const commands = this.#handOut(integrator);
      const left = until - this.#clock.monotonic();
      if (commands.length > 0 || left <= 0 || signal.aborted) return commands;
      await this.#change(left, signal);
    }
  }

  /** The answer that carried them did not get through: they may be handed out again at once. */
  giveBack(commands: readonly PendingCommand[]): void {
    for (const { id } of commands) this.#handedOut.delete(id);
  }

  #deadline({ expiresAt }: PendingCommand): number {
    const left = expiresAt === undefined ? Number.POSITIVE_INFINITY : expiresAt - this.#clock.now();
    return this.#clock.monotonic() + left;
  }

  #handOut(integrator: string): PendingCommand[] {
    const now = this.#clock.monotonic();
    const due = [...this.#pending.values()].filter(
      (command) =>
        command.integrator === integrator &&
        now - (this.#handedOut.get(command.id) ?? Number.NEGATIVE_INFINITY) >= HANDED_OUT_MS,
    );
    for (const { id } of due) this.#handedOut.set(id, now);
    return due;
  }

  async #change(waitMs: number, signal: AbortSignal): Promise<void> {
    const woken = new AbortController();
    const wake = () => woken.abort();
    this.#waiting.add(wake);
    await this.#clock.sleep(waitMs, AbortSignal.any([signal, woken.signal]));
    this.#waiting.delete(wake);
  }
}

function bounded(result: FirstResult): FirstResult {
  if (JSON.stringify(result).length <= REMEMBERED_BYTES) return result;
  const { data: _, ...rest } = result;
  return rest;
}
