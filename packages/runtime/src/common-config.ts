import { z } from 'zod';
import { LOG_LEVELS } from './create-logger.ts';
import { Secret } from './secret.ts';

/** The keys every role has. Use as `z.strictObject({ ...commonConfig, … })`. */
export const commonConfig = {
  dataDirectory: z.string().min(1).describe('Folder that holds everything this component keeps'),
  log: z
    .strictObject({
      level: z.enum(LOG_LEVELS).default('info').describe('Least severe level that is written'),
      format: z
        .enum(['json', 'pretty', 'auto'])
        .default('auto')
        .describe('auto: pretty on a terminal, else JSON lines'),
    })
    .prefault({})
    .describe('Log lines on standard output'),
  admin: z
    .strictObject({
      host: z.string().default('127.0.0.1').describe('Loopback address of the admin listener'),
      port: z.int().min(0).max(65_535).default(0).describe('Port of the admin listener; 0: any free one'),
    })
    .prefault({})
    .describe('Health, readiness, metrics and version'),
};

/** A text value that never shows in logs or dumps. */
export const secretText = z
  .string()
  .min(1)
  .transform((value) => new Secret(value));
