import { commonConfig } from '@backhaul/runtime';
import { z } from 'zod';
import { isLoopback, notificationConfig } from './notifications/notification-config.ts';

const port = z.int().min(0).max(65_535);
const DAY = 'days';

/** Every key of `appserver.yaml`. */
export const appserverConfig = z.strictObject({
  ...commonConfig,
  trustDomain: z
    .string()
    .min(1)
    .describe('Trust domain of all certificates, as the certificate authority was made with'),
  relay: z
    .strictObject({
      host: z.string().default('127.0.0.1').describe('Address on which MLMs and proxies are listened to'),
      port: port.default(7443).describe('Port of the relay listener; 0: any free one'),
      url: z
        .url()
        .optional()
        .describe('How children reach the relay listener, for site packages; made from host and port when left out'),
      compress: z.boolean().default(false).describe('Compress replies for children that take it; for WAN links'),
      plain: z
        .boolean()
        .default(false)
        .describe(
          'HTTP without TLS, for measuring: children are who they say they are; refused on any address but loopback',
        ),
    })
    .refine(({ plain, host }) => !plain || isLoopback(host), {
      path: ['plain'],
      message: 'plain HTTP is for loopback only',
    })
    .prefault({})
    .describe('Relay listener, mutual TLS'),
  staff: z
    .strictObject({
      host: z.string().default('127.0.0.1').describe('Address of the staff API and the portal'),
      port: port.default(8443).describe('Port of the staff API and the portal; 0: any free one'),
    })
    .prefault({})
    .describe('Staff API and portal, TLS'),
  authority: z
    .strictObject({
      registrarUrl: z.url().describe('Registrar API of the certificate authority, for enrolment tokens'),
      enrolUrl: z.url().describe('Where components enrol; written into site packages'),
    })
    .optional()
    .describe('Certificate authority; site packages cannot be made without it'),
  overdueAfterMs: z.int().min(1_000).default(180_000).describe('A component not heard of for longer is overdue'),
  commandPathAfterMs: z
    .int()
    .min(100)
    .default(30_000)
    .describe('A proxy has so long to accept a command to a support instance; then another proxy of it is asked, too'),
  overdue: z
    .strictObject({
      backAfterMs: z
        .int()
        .min(0)
        .default(30_000)
        .describe('Heard again for so long, a component is back; longer for one that has fallen silent repeatedly'),
      collectMs: z.int().min(0).default(10_000).describe('News wait for so long for others of the same customer'),
      everyMs: z.int().min(100).default(5_000).describe('Time between two looks at who is overdue'),
    })
    .prefault({})
    .describe('Who should have been heard and was not'),
  notifications: notificationConfig.prefault({}).describe('Who is told of what, outside of this program'),
  ledger: z
    .strictObject({
      graceMs: z
        .int()
        .min(0)
        .default(300_000)
        .describe('What is missing is called unexplained when every hop has told for so long that it does not hold it'),
    })
    .prefault({})
    .describe('Account of every message'),
  mailbox: z
    .strictObject({
      maxMessages: z.int().min(1).default(100_000).describe('Messages that may wait for one direct child'),
      maxBytes: z.int().min(1).default(1_073_741_824).describe('Bytes that may wait for one direct child'),
    })
    .prefault({})
    .describe('Back-channel mailboxes'),
  artifacts: z
    .strictObject({
      maxBytes: z.int().min(1).default(4_294_967_296).describe('Largest artifact that may be published'),
    })
    .prefault({})
    .describe('Software and other files to be sent down'),
  retention: z
    .strictObject({
      messagesDays: z.int().min(1).default(30).describe(`Messages are kept for so many ${DAY}`),
      ledgerDays: z
        .int()
        .min(1)
        .default(90)
        .describe(`Details of what was filtered, merged or expired are kept for so many ${DAY}`),
      commandsDays: z
        .int()
        .min(1)
        .default(365)
        .describe(`Commands and pushes with their outcomes are kept for so many ${DAY}`),
      eventKeysDays: z
        .int()
        .min(1)
        .default(7)
        .describe(`An event that comes again, through another proxy, is known as the same for so many ${DAY}`),
      deadLettersDays: z.int().min(1).default(90).describe(`Dead letters, decided or not, are kept for so many ${DAY}`),
      intervalMs: z.int().min(1_000).default(3_600_000).describe('Time between two prunings'),
      rowsPerStep: z.int().min(100).default(5_000).describe('Rows deleted in one transaction'),
    })
    .prefault({})
    .describe('How long data is kept'),
});

export type AppserverConfig = z.output<typeof appserverConfig>;
