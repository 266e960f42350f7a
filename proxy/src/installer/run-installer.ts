import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { BackhaulError, createLogger, exitWithParent, systemClock } from '@backhaul/runtime';
import { z } from 'zod';
import { Installer } from './installer.ts';
import { InstallerServer } from './installer-server.ts';
import type { ArchiveLimits } from './unpack-archive.ts';

const limitsSchema = z.strictObject({
  maxUnpackedBytes: z
    .int()
    .positive()
    .default(2 * 1024 * 1024 * 1024),
  maxFiles: z.int().positive().default(50_000),
  maxRatio: z.number().positive().default(200),
});

/**
 * The installer as a process of its own: `--data <proxy data folder> --socket <path> [--limits <json>]`.
 * It opens one Unix socket and no network; nothing in its folder imports an HTTP, TLS or DNS module (a test looks).
 */
export async function runInstaller(argv: readonly string[]): Promise<void> {
  const { data, socketPath, limits } = readArguments(argv);
  const logger = createLogger({ role: 'installer', format: 'json' });
  const softwareDirectory = join(data, 'software');
  await mkdir(softwareDirectory, { recursive: true, mode: 0o755 });
  const installer = new Installer({
    softwareDirectory,
    policyFile: join(data, 'policy.json'),
    limits,
    clock: systemClock,
  });
  await installer.load();
  const server = new InstallerServer({ socketPath, installer, logger });
  exitWithParent();
  const stopped = new Promise<void>((resolve) => {
    for (const signal of ['SIGTERM', 'SIGINT']) process.once(signal, () => resolve(server.stop()));
  });
  await server.start();
  await stopped;
}

function readArguments(argv: readonly string[]): { data: string; socketPath: string; limits: ArchiveLimits } {
  try {
    const options = { data: { type: 'string' }, socket: { type: 'string' }, limits: { type: 'string' } } as const;
    const { values } = parseArgs({ args: [...argv], options });
    if (values.data === undefined || values.socket === undefined) throw new Error('--data and --socket are needed');
    return {
      data: values.data,
      socketPath: values.socket,
      limits: limitsSchema.parse(JSON.parse(values.limits ?? '{}')),
    };
  } catch (cause) {
    throw new BackhaulError('BH-E-USAGE', { detail: cause instanceof Error ? cause.message : String(cause), cause });
  }
}
