import type { Logger } from '@backhaul/runtime';
import type { Store } from './store.ts';

/** The exit code of a role whose store could not be opened again (sysexits: I/O error). */
const STORE_FAILED = 74;

/** A role without its store can accept nothing: the process ends, and what starts it may try again. */
export function endWithStore(store: Store, logger: Logger): void {
  store.onFailed((error) => {
    logger.error({ error }, 'the store could not be opened again; the process ends, what was accepted is on disk');
    process.exit(STORE_FAILED);
  });
}
