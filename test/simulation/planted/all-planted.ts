import type { FaultKind } from '../faults.ts';
import { IN_EXCHANGES } from './in-exchanges.ts';
import { IN_SPOOLS } from './in-spools.ts';
import { IN_STORES } from './in-stores.ts';
import type { Variation } from './variation.ts';

/** A bug, and the faults under which it can show itself. */
export interface PlantedBug {
  readonly name: string;
  readonly kinds: readonly FaultKind[];
  /** so many times the usual number of faults */
  readonly times?: number;
  readonly hours?: number;
  readonly variation: Variation;
}

export const PLANTED: readonly PlantedBug[] = [...IN_STORES, ...IN_SPOOLS, ...IN_EXCHANGES];
