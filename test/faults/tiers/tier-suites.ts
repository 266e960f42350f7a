import type { FaultSuite } from '../suite.ts';
import { clocks } from './clocks.ts';
import { fullDisks } from './full-disks.ts';
import { kills } from './kills.ts';
import { lines, lostReplies } from './lines.ts';
import { pauses } from './pauses.ts';
import { powerCuts } from './power-cuts.ts';
import { restoredCopies } from './restored-copies.ts';

/** Faults on a running fleet, judged by the oracle. */
export const TIER_SUITES: readonly FaultSuite[] = [
  kills,
  powerCuts,
  fullDisks,
  lostReplies,
  lines,
  pauses,
  clocks,
  restoredCopies,
];
