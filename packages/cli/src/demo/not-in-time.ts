import { BackhaulError } from '@backhaul/runtime';

/** What did not happen in time, and where to look. */
export function notInTime(what: string, log: string): BackhaulError {
  return new BackhaulError('BH-E-BUSY', { detail: `not in time: ${what}; read ${log}` });
}
