import { type RawBuilder, sql } from 'kysely';

/**
 * A sum over numbers that senders choose: two of the largest are more than a whole number of the store, or of this
 * language, can hold, and must not stop whoever asks [T-A35]. Read it with `wholeNumber`.
 */
export const largeSum = (expression: RawBuilder<number>): RawBuilder<number | null> =>
  sql<number | null>`sum((${expression}) * 1.0)`;

/** The largest whole number there is when it is more. */
export const wholeNumber = (value: number | null | undefined): number =>
  Math.min(Number(value ?? 0), Number.MAX_SAFE_INTEGER);
