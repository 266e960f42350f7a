import { BackhaulError } from '@backhaul/runtime';
import type { Store } from '@backhaul/spool';
import type { Stage } from './stage.ts';

/** What is known is being loaded again while the store is reopened: nobody is told then that something is unknown. */
export function whileOpen(store: Store): Stage {
  return (_request, _response, next) => {
    if (store.state !== 'open') throw new BackhaulError('BH-E-SPOOL-STOPPED');
    next();
  };
}
