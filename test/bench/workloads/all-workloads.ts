import type { Workload } from '../workload.ts';
import { compression } from './compression.ts';
import { contracts } from './contracts.ts';
import { latency } from './latency.ts';
import { throughput } from './throughput.ts';

/** In the order in which they are run and shown. */
export const ALL_WORKLOADS: readonly Workload[] = [throughput, latency, contracts, compression];
