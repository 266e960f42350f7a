import { z } from 'zod';
import type { ClassEntry } from './class-entry.ts';
import { amount, bytes, count, longText, partOfParts, shortText, time } from './json-fields.ts';

/** What stands on a machine: packages, patches, disks, the system itself. From the host integrator, once a day or when it changes. */
const manager = z.enum(['dpkg', 'rpm']);

export const osPackages = z.strictObject({
  manager,
  packages: z.array(z.strictObject({ name: shortText, version: shortText, architecture: shortText })).max(20_000),
  ...partOfParts,
});
export type OsPackages = z.output<typeof osPackages>;

export const patches = z.strictObject({
  manager,
  available: z
    .array(
      z.strictObject({
        name: shortText,
        installed: shortText.optional(),
        candidate: shortText,
        security: z.boolean().optional(),
      }),
    )
    .max(20_000),
  /** `unavailable`: it cannot be told here, and the reason says why */
  state: z.enum(['known', 'unavailable']),
  reason: longText.optional(),
  ...partOfParts,
});
export type Patches = z.output<typeof patches>;

export const diskConfiguration = z.strictObject({
  devices: z
    .array(
      z.strictObject({
        name: shortText,
        sizeBytes: bytes.optional(),
        model: shortText.optional(),
        type: shortText.optional(),
        rotational: z.boolean().optional(),
        removable: z.boolean().optional(),
        readOnly: z.boolean().optional(),
      }),
    )
    .max(4096),
  filesystems: z
    .array(
      z.strictObject({
        device: shortText,
        mountpoint: shortText,
        type: shortText,
        sizeBytes: bytes,
        usedBytes: bytes,
        availableBytes: bytes.optional(),
      }),
    )
    .max(4096),
});
export type DiskConfiguration = z.output<typeof diskConfiguration>;

export const systemConfiguration = z.strictObject({
  hostname: shortText,
  platform: shortText,
  release: shortText,
  architecture: shortText,
  cpus: count,
  cpuModel: z.string().max(256),
  memoryBytes: bytes,
  bootedAt: time,
  swapBytes: bytes.optional(),
  distribution: shortText.optional(),
  distributionVersion: shortText.optional(),
  kernel: shortText.optional(),
  virtualization: shortText.optional(),
  timeZone: shortText.optional(),
  nodeVersion: shortText.optional(),
  uptimeSeconds: amount.optional(),
  interfaces: z
    .array(z.strictObject({ name: shortText, mac: shortText.optional(), addresses: z.array(shortText).max(256) }))
    .max(1024)
    .optional(),
});
export type SystemConfiguration = z.output<typeof systemConfiguration>;

const from = 'host integrator';
const inventory = { classification: 'data-collection', lane: 6, contentTypes: ['data'], from } as const;

export const INVENTORY_CLASSES: readonly ClassEntry[] = [
  {
    class: 'os-packages',
    subclass: 'list',
    ...inventory,
    about: 'installed packages; long lists in several parts',
    json: osPackages,
  },
  {
    class: 'patches',
    subclass: 'available',
    ...inventory,
    about: 'packages with a newer version, or why that cannot be told',
    json: patches,
  },
  {
    class: 'disk-configuration',
    subclass: 'list',
    ...inventory,
    about: 'block devices and file systems',
    json: diskConfiguration,
  },
  {
    class: 'system-configuration',
    subclass: 'summary',
    ...inventory,
    about: 'the machine and its operating system',
    json: systemConfiguration,
  },
];
