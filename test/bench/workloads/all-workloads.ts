import type { Workload } from '../workload.ts';
import { throughput } from './throughput.ts';

/** In the order in which they are run and shown. */
export const ALL_WORKLOADS: readonly Workload[] = [throughput];
