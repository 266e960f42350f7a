import type { FaultSuite } from '../suite.ts';
import { crashStates, syncLeftOut } from './crash-states.ts';
import { errorAtEveryOperation, killAtEveryOperation } from './io-faults.ts';

/** Faults on bare stores, without a network. */
export const STORE_SUITES: readonly FaultSuite[] = [
  killAtEveryOperation,
  errorAtEveryOperation,
  crashStates,
  syncLeftOut,
];
