import { contentTypeOf, newBoundary, writeEnvelope } from '@backhaul/envelope';
import { BackhaulError, type Clock, type ErrorCode, type Random, toBackhaulError } from '@backhaul/runtime';
import { joined } from './joined.ts';
import type { ParentConnection } from './parent-connection.ts';

/** An answer may take so long beyond what the line needs for what is under way; then the parent is asked whether it is there. */
const LATE_MS = 2_000;

/** What says that nobody is there, or somebody else; every other refusal is an answer. */
const NO_ANSWER: ReadonlySet<ErrorCode> = new Set<ErrorCode>([
  'BH-E-PARENT-SILENT',
  'BH-E-PARENT-UNREACHABLE',
  'BH-E-ID-PARENT',
  'BH-E-INTERNAL',
]);

export interface Patience {
  /** what the line needs for all that is under way, ms */
  readonly expectedMs: number;
  /** how long the parent may hold the answer back, ms */
  readonly holdMs?: number;
}

/**
 * Tells a parent that hangs from a line that is slow. An answer that is late says nothing by itself: much may be under way on a
 * thin line, the parent may be waiting for the tier above. So an empty envelope asks it; as long as such a question is answered
 * within `patienceMs` the exchange goes on, and when one is not, everything under way is given up [ISSUE: failover in seconds].
 */
export class ParentPulse {
  readonly #clock: Clock;
  readonly #random: Random;
  readonly #patienceMs: number;
  readonly #asking = new Map<ParentConnection, Promise<boolean>>();

  constructor(options: { clock: Clock; random: Random; patienceMs: number }) {
    this.#clock = options.clock;
    this.#random = options.random;
    this.#patienceMs = options.patienceMs;
  }

  /** One exchange; ends with `signal` even when the connection does not. Throws what it throws, BH-E-PARENT-SILENT. */
  during<T>(
    link: ParentConnection,
    { expectedMs, holdMs = 0 }: Patience,
    signal: AbortSignal,
    exchange: (signal: AbortSignal) => Promise<T>,
  ): Promise<T> {
    const lateMs = LATE_MS + 2 * expectedMs;
    const isOver = async (): Promise<boolean> => !(await this.isThere(link, expectedMs));
    return this.#until(link, { firstMs: holdMs + lateMs, againMs: lateMs, isOver }, signal, exchange);
  }

  /** One exchange that is small enough to be answered within so many ms. Throws like `during`. */
  within<T>(
    link: ParentConnection,
    ms: number,
    signal: AbortSignal,
    exchange: (signal: AbortSignal) => Promise<T>,
  ): Promise<T> {
    return this.#until(link, { firstMs: ms, againMs: ms, isOver: async () => true }, signal, exchange);
  }

  /** True when it answers, whatever it says. */
  isThere(link: ParentConnection, expectedMs = 0): Promise<boolean> {
    const asked = this.#asking.get(link);
    if (asked) return asked;
    const asking = this.#ask(link, this.#patienceMs + expectedMs).finally(() => this.#asking.delete(link));
    this.#asking.set(link, asking);
    return asking;
  }

  #ask(link: ParentConnection, withinMs: number): Promise<boolean> {
    const boundary = newBoundary(this.#random);
    const headers = { 'content-type': contentTypeOf(boundary) };
    const body = joined(writeEnvelope(boundary, []));
    const never = new AbortController().signal;
    return this.within(link, withinMs, never, (until) => link.post(body, headers, { signal: until })).then(
      () => true,
      isAnAnswer,
    );
  }

  /** `isOver` is asked after `firstMs`, then every `againMs`: when it says yes, the parent is held to be silent. */
  async #until<T>(
    link: ParentConnection,
    { firstMs, againMs, isOver }: { firstMs: number; againMs: number; isOver: () => Promise<boolean> },
    signal: AbortSignal,
    exchange: (signal: AbortSignal) => Promise<T>,
  ): Promise<T> {
    const over = new AbortController();
    const aborted = Promise.withResolvers<never>();
    const end = (reason: unknown): void => {
      over.abort(reason);
      aborted.reject(toBackhaulError(reason));
    };
    const giveUp = (): void => end(signal.reason);
    const look = async (): Promise<void> => {
      const isSilent = await isOver();
      if (ended) return;
      if (isSilent) end(new BackhaulError('BH-E-PARENT-SILENT', { detail: link.parent.id }));
      else timer = this.#clock.after(againMs, () => void look());
    };
    let ended = false;
    let timer = this.#clock.after(firstMs, () => void look());
    signal.addEventListener('abort', giveUp, { once: true });
    try {
      if (signal.aborted) giveUp();
      return await Promise.race([exchange(over.signal), aborted.promise]);
    } finally {
      ended = true;
      signal.removeEventListener('abort', giveUp);
      timer.cancel();
    }
  }
}

function isAnAnswer(thrown: unknown): boolean {
  const { code } = toBackhaulError(thrown);
  return !NO_ANSWER.has(code);
}
