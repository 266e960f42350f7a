import { z } from 'zod';

/** A name that may stand in a receipt, a metric and a log line. */
export const moduleName = z
  .string()
  .regex(/^[a-z0-9][a-z0-9-]{0,62}$/, 'lower-case letters, digits and hyphens, at most 63')
  .describe('name in receipts, metrics and logs; unique in one MLM');

/** What every module's entry in the configuration may say. */
export const moduleOptions = {
  name: moduleName.optional(),
  onFault: z
    .enum(['pass', 'refuse'])
    .default('pass')
    .describe('what becomes of a message on which the module fails: it passes, or is refused for a retry'),
  maxFaults: z
    .int()
    .min(1)
    .max(1000)
    .default(5)
    .describe('faults in a row, on different messages, after which the module is taken out and reported'),
};

export const className = z
  .string()
  .regex(/^[a-z0-9][a-z0-9.-]{0,63}$/, 'lower-case letters, digits, dots and hyphens')
  .describe('message class');

export const subclassName = z
  .string()
  .regex(/^[a-z0-9][a-z0-9.-]{0,63}$/, 'lower-case letters, digits, dots and hyphens')
  .describe('message subclass');
