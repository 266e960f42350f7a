import { LIMITS } from '@backhaul/envelope';
import { commonConfig } from '@backhaul/runtime';
import { parentConfig, spoolConfig, uplinkConfig } from '@backhaul/transport';
import { z } from 'zod';

const positive = () => z.int().positive();
const milliseconds = () => z.int().min(10);

/** The host integrator: what it looks at and how often. */
const hostIntegrator = z
  .strictObject({
    use: z.literal('host').describe('which integrator: `host` reports the machine the proxy runs on'),
    managementId: z
      .string()
      .min(1)
      .max(128)
      .optional()
      .describe('ID of this machine in its management platform; the host name when absent'),
    intervalMs: milliseconds()
      .default(900_000)
      .describe('time between reports of packages, patches, disks and system configuration'),
    alarmIntervalMs: milliseconds().default(60_000).describe('time between looks at system and storage alarms'),
    performanceIntervalMs: milliseconds().default(60_000).describe('time between performance samples'),
    startSamples: z.int().min(1).max(60).default(6).describe('performance samples, one a second, taken at the start'),
    loadLimit: z
      .number()
      .positive()
      .default(4)
      .describe('load average of one minute for each CPU, above which an alarm opens'),
    storageLimit: z
      .number()
      .min(0.01)
      .max(1)
      .default(0.9)
      .describe('used fraction of a file system above which an alarm opens'),
  })
  .describe('the integrator that reports this host');

/** Settings of the proxy role. Read once at the door; unknown keys are refused by path. */
export const proxyConfig = z.strictObject({
  ...commonConfig,
  ...parentConfig,
  identity: z
    .strictObject({ id: z.string().min(1).describe('component ID of this proxy') })
    .optional()
    .describe(
      'who this proxy is, only for parents reached over plain HTTP on loopback; otherwise the certificate says it',
    ),
  uplink: z.strictObject(uplinkConfig).prefault({}).describe('sending to the parent'),
  spool: z
    .strictObject({
      ...spoolConfig({ maxBytes: 1024 * 1024 * 1024, maxMessages: 2_000_000 }),
      integratorShare: z
        .number()
        .min(0.01)
        .max(1)
        .default(0.75)
        .describe('part of the spool that one integrator may fill'),
    })
    .prefault({})
    .describe('the durable queue towards the parent'),
  api: z
    .strictObject({
      maxRequestBytes: z
        .int()
        .min(1024)
        .default(LIMITS.envelopeBytes)
        .describe('bytes of one request of an integrator'),
      maxConnections: positive().default(128).describe('connections to the integrator socket'),
      maxIntegrators: positive().default(256).describe('integrators that may register'),
      maxInstances: positive().default(50_000).describe('support instances that may register'),
    })
    .prefault({})
    .describe('the integrator API'),
  heartbeat: z
    .strictObject({
      intervalMs: milliseconds().default(60_000).describe('time between heartbeats with the status tree'),
      integratorOverdueMs: milliseconds()
        .default(180_000)
        .describe('silence after which an integrator counts as overdue'),
    })
    .prefault({})
    .describe('what the proxy says of itself'),
  integrators: z
    .array(hostIntegrator)
    .max(8)
    .default([])
    .describe('integrators that the proxy starts and restarts, each its own process'),
  installer: z
    .strictObject({
      enabled: z.boolean().default(true).describe('start the installer process; without it every offer is refused'),
      maxUnpackedBytes: positive()
        .default(2 * 1024 * 1024 * 1024)
        .describe('bytes an archive may unpack to'),
      maxFiles: positive().default(50_000).describe('files and folders an archive may hold'),
      maxRatio: positive().default(200).describe('how many times larger than the archive its content may be'),
    })
    .prefault({})
    .describe('the process that judges and installs software; its policy is `policy.json` in the data folder'),
});

export type ProxyConfig = z.output<typeof proxyConfig>;
export type HostIntegratorConfig = z.output<typeof hostIntegrator>;
