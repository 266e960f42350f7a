import type { Clock, Logger } from '@backhaul/runtime';

/** The exit code of a role that has to open its store anew (sysexits: I/O error). */
const STORE_FAILED = 74;
/** What the check at a start does not find must not turn into a circle of starts. */
const LEAST_UPTIME_MS = 600_000;

export interface EndWhenDamagedOptions {
  readonly clock: Clock;
  readonly logger: Logger;
  readonly end: (exitCode: number) => void;
}

/**
 * For a database that turns out damaged while it is in use: only a start checks and mends it, so the process ends, and what
 * starts it again mends it without a person. Not sooner than ten minutes after its own start; senders wait meanwhile.
 */
export function endWhenDamaged({ clock, logger, end }: EndWhenDamagedOptions): (error: unknown) => void {
  const begun = clock.monotonic();
  let noticed = false;
  return (error) => {
    if (noticed) return;
    noticed = true;
    const inMs = Math.max(0, LEAST_UPTIME_MS - (clock.monotonic() - begun));
    logger.error({ error, inMs }, 'the database is damaged; the process ends, and its next start mends it');
    clock.after(inMs, () => end(STORE_FAILED));
  };
}
