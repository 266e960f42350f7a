import type { FaultSuite } from '../suite.ts';
import { corruption } from './corruption.ts';
import { crashStates, syncLeftOut } from './crash-states.ts';
import { fullDisk } from './full-disk.ts';
import { errorAtEveryOperation, killAtEveryOperation } from './io-faults.ts';
import { storePowerCuts } from './power-cut.ts';
import { sqliteCorruption } from './sqlite-corruption.ts';

/** Faults on bare stores, without a network. */
export const STORE_SUITES: readonly FaultSuite[] = [
  fullDisk,
  killAtEveryOperation,
  errorAtEveryOperation,
  crashStates,
  syncLeftOut,
  storePowerCuts,
  corruption,
  sqliteCorruption,
];
