import type { Workload } from '../workload.ts';
import { bulk } from './bulk.ts';
import { compression } from './compression.ts';
import { contracts } from './contracts.ts';
import { fanOut } from './fan-out.ts';
import { fetch } from './fetch.ts';
import { latency } from './latency.ts';
import { scale } from './scale.ts';
import { thinLine } from './thin-line.ts';
import { throughput } from './throughput.ts';

/** In the order in which they are run and shown. */
export const ALL_WORKLOADS: readonly Workload[] = [
  throughput,
  latency,
  thinLine,
  fanOut,
  bulk,
  scale,
  compression,
  contracts,
  fetch,
];
