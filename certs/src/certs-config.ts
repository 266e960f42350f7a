import { commonConfig } from '@backhaul/runtime';
import { z } from 'zod';

const listener = (what: string) =>
  z
    .strictObject({
      host: z.string().default('127.0.0.1').describe(`Address of the ${what} listener`),
      port: z.int().min(0).max(65_535).default(0).describe(`Port of the ${what} listener; 0: any free one`),
    })
    .prefault({});

/** Settings of `backhaul certs serve`. `dataDirectory` is the folder that `certs init` made. */
export const certsConfig = z.strictObject({
  ...commonConfig,
  id: z
    .string()
    .regex(/^provider\.c[1-9][0-9]{0,8}$/)
    .default('provider.c1')
    .describe('Component ID of this certificate authority'),
  enrol: listener('enrolment').describe('Where components enrol (server TLS)'),
  registrar: listener('registrar').describe('Where application servers ask for tokens (mutual TLS)'),
  names: z
    .array(z.string())
    .default(['localhost', '127.0.0.1'])
    .describe('DNS and IP names in the certificate of the two listeners'),
  leafDays: z.int().min(1).max(825).default(90).describe('Days a component certificate is valid'),
  rate: z
    .strictObject({
      perSecond: z.number().positive().default(20).describe('Enrolment requests per second and address'),
      burst: z.int().min(1).default(100).describe('Enrolment requests at once and address'),
    })
    .prefault({})
    .describe('What is more is told to wait'),
});
export type CertsConfig = z.output<typeof certsConfig>;
