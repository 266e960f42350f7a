import { z } from 'zod';
import type { ClassEntry } from './class-entry.ts';
import { amount, bytes, count, fraction, id, shortText, time } from './json-fields.ts';

/** Samples of how busy a machine is; an MLM may merge several into one summary. */
export const performanceSample = z.strictObject({
  load1: amount,
  load5: amount.optional(),
  load15: amount.optional(),
  cpuBusyFraction: fraction,
  memoryUsedBytes: bytes,
  memoryTotalBytes: bytes.optional(),
  memoryUsedFraction: fraction.optional(),
  swapUsedBytes: bytes.optional(),
  processes: count.optional(),
  uptimeSeconds: amount.optional(),
  diskReadBytes: bytes.optional(),
  diskWrittenBytes: bytes.optional(),
});
export type PerformanceSample = z.output<typeof performanceSample>;

export const performanceSummary = z
  .strictObject({
    /** samples merged */
    count: z.number().int().min(1),
    from: time,
    to: time,
    metrics: z.record(
      z.string().regex(/^[a-z][A-Za-z0-9.]{0,127}$/),
      z.strictObject({ min: z.number(), mean: z.number(), max: z.number() }),
    ),
    /** the samples it was made of, as ranges of sequences */
    inputs: z
      .array(z.strictObject({ source: id, epoch: z.string(), lane: count, from: count, to: count }))
      .max(1000)
      .optional(),
  })
  .refine(({ from, to }) => from <= to, { message: 'from is after to', path: ['from'] });
export type PerformanceSummary = z.output<typeof performanceSummary>;

export const performanceInterface = z.strictObject({
  interface: shortText,
  receivedBytes: bytes,
  sentBytes: bytes,
  receivedPackets: count.optional(),
  sentPackets: count.optional(),
  receiveErrors: count.optional(),
  sendErrors: count.optional(),
  receiveDropped: count.optional(),
  sendDropped: count.optional(),
});
export type PerformanceInterface = z.output<typeof performanceInterface>;

const monitoring = { classification: 'monitoring', lane: 6, contentTypes: ['data'] } as const;

export const PERFORMANCE_CLASSES: readonly ClassEntry[] = [
  {
    class: 'performance',
    subclass: 'sample',
    ...monitoring,
    from: 'host integrator',
    about: 'load, processor, memory',
    json: performanceSample,
  },
  {
    class: 'performance',
    subclass: 'summary',
    ...monitoring,
    from: 'MLM',
    about: 'several samples merged into one',
    json: performanceSummary,
  },
  {
    class: 'performance',
    subclass: 'interface',
    ...monitoring,
    from: 'host integrator',
    about: 'counters of one network interface',
    json: performanceInterface,
  },
];
