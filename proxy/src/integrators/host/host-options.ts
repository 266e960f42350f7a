import { parseArgs } from 'node:util';
import { BackhaulError } from '@backhaul/runtime';
import { z } from 'zod';

const milliseconds = z.int().min(10);

/** What the proxy tells its host integrator on the command line, as one JSON object. */
const hostOptions = z.strictObject({
  managementId: z.string().min(1).optional(),
  intervalMs: milliseconds.default(900_000),
  alarmIntervalMs: milliseconds.default(60_000),
  performanceIntervalMs: milliseconds.default(60_000),
  startSamples: z.int().min(1).default(6),
  loadLimit: z.number().positive().default(4),
  storageLimit: z.number().positive().max(1).default(0.9),
});

export type HostOptions = z.output<typeof hostOptions>;

/** `--socket <path> [--options <json>]`. Throws BH-E-USAGE. */
export function readHostArguments(argv: readonly string[]): { socketPath: string; options: HostOptions } {
  try {
    const { values } = parseArgs({
      args: [...argv],
      options: { socket: { type: 'string' }, options: { type: 'string' } },
    });
    if (values.socket === undefined) throw new Error('--socket is missing');
    return { socketPath: values.socket, options: hostOptions.parse(JSON.parse(values.options ?? '{}')) };
  } catch (cause) {
    throw new BackhaulError('BH-E-USAGE', { detail: cause instanceof Error ? cause.message : String(cause), cause });
  }
}
