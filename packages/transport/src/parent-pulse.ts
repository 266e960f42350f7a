import { contentTypeOf, newBoundary, writeEnvelope } from '@backhaul/envelope';
import { BackhaulError, type Clock, type Random, toBackhaulError } from '@backhaul/runtime';
import { joined } from './joined.ts';
import type { ParentConnection } from './parent-connection.ts';

/** An answer may take so long beyond what the line needs for what is under way; then the parent is asked whether it is there. */
const LATE_MS = 2_000;

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
  async during<T>(
    link: ParentConnection,
    { expectedMs, holdMs = 0 }: Patience,
    signal: AbortSignal,
    exchange: (signal: AbortSignal) => Promise<T>,
  ): Promise<T> {
    const silent = new AbortController();
    const either = AbortSignal.any([signal, silent.signal]);
    const lateMs = LATE_MS + 2 * expectedMs;
    const ask = async (): Promise<void> => {
      const there = await this.isThere(link, expectedMs);
      if (!there) silent.abort(new BackhaulError('BH-E-PARENT-SILENT', { detail: link.parent.id }));
      else if (!either.aborted) timer = this.#clock.after(lateMs, () => void ask());
    };
    let timer = this.#clock.after(holdMs + lateMs, () => void ask());
    const ended = Promise.withResolvers<never>();
    const end = (): void => ended.reject(toBackhaulError(either.reason));
    either.addEventListener('abort', end, { once: true });
    try {
      if (either.aborted) end();
      return await Promise.race([exchange(either), ended.promise]);
    } finally {
      either.removeEventListener('abort', end);
      timer.cancel();
    }
  }

  /** True when it answers, whatever it says. */
  isThere(link: ParentConnection, expectedMs = 0): Promise<boolean> {
    const asked = this.#asking.get(link);
    if (asked) return asked;
    const asking = this.#ask(link, this.#patienceMs + expectedMs).finally(() => this.#asking.delete(link));
    this.#asking.set(link, asking);
    return asking;
  }

  async #ask(link: ParentConnection, withinMs: number): Promise<boolean> {
    const over = new AbortController();
    const overdue = Promise.withResolvers<boolean>();
    const timer = this.#clock.after(withinMs, () => {
      over.abort();
      overdue.resolve(false);
    });
    const boundary = newBoundary(this.#random);
    const headers = { 'content-type': contentTypeOf(boundary) };
    try {
      const question = link.post(joined(writeEnvelope(boundary, [])), headers, { signal: over.signal });
      return await Promise.race([question.then(() => true, isAnAnswer), overdue.promise]);
    } finally {
      timer.cancel();
    }
  }
}

function isAnAnswer(thrown: unknown): boolean {
  const { code } = toBackhaulError(thrown);
  return code !== 'BH-E-PARENT-UNREACHABLE' && code !== 'BH-E-ID-PARENT' && code !== 'BH-E-INTERNAL';
}
