import type { ArrivedMessage } from './service-module.ts';

/**
 * When something was, wall ms, by the clock of whoever tells it; never later than it came. A clock that was ahead for a while
 * would otherwise make everything that comes after it look old: an alarm that it opened could not be cleared.
 */
export function toldTime(toldAt: number, { receivedAt }: Pick<ArrivedMessage, 'receivedAt'>): number {
  return Math.min(toldAt, receivedAt);
}

/** Whether what is known is newer than what was told at `at`. A time still to come is no knowledge: it is from a clock that was ahead. */
export function isOlder(
  at: number,
  knownAt: number | undefined,
  { receivedAt }: Pick<ArrivedMessage, 'receivedAt'>,
): boolean {
  return knownAt !== undefined && knownAt > at && knownAt <= receivedAt;
}
