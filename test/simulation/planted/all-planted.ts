import type { FaultKind } from '../faults.ts';
import type { Variation } from './variation.ts';

/** A bug, and the faults under which it can show itself. */
export interface PlantedBug {
  readonly name: string;
  readonly kinds: readonly FaultKind[];
  readonly hours?: number;
  readonly variation: Variation;
}

export const PLANTED: readonly PlantedBug[] = [];
