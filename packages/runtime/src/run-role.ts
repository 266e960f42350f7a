import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { warnOfCertificateEnd } from './certificate-watch.ts';
import { systemClock } from './clock.ts';
import { writeFileAtomic } from './files.ts';
import { type Component, startAll, stopAll } from './lifecycle.ts';
import type { Logger } from './logging.ts';
import { MemoryAtRest, thisProcess } from './memory-at-rest.ts';

export interface RunRoleOptions {
  readonly role: string;
  readonly version: string;
  readonly dataDirectory: string;
  readonly logger: Logger;
  /** From the far end back to the source; stopped in the opposite order. */
  readonly components: readonly Component[];
  /** What runtime.json says besides pid and version: `{admin, listeners}`. Called after everything has started. */
  readonly describe: () => object;
  /** Stops the role as SIGTERM does; for several roles in one process. */
  readonly signal?: AbortSignal;
}

/** Draining that takes longer than this ends hard: what was accepted is on disk. */
const STOP_LIMIT_MS = 30_000;
const CERTIFICATE_LOOK_MS = 12 * 3_600_000;
/** After everything has stopped, something left open may keep the process this long. */
const LINGER_LIMIT_MS = 3_000;

/**
 * Runs a role from start to stop: starts its parts, writes `runtime.json`, waits for SIGTERM or SIGINT, drains and stops.
 * Resolves when stopped. Rejects when a part does not start. A second signal exits at once.
 */
export async function runRole(options: RunRoleOptions): Promise<void> {
  const { role, version, dataDirectory, logger, components } = options;
  const runtimeFile = join(dataDirectory, 'runtime.json');
  const stopping = awaitStop(options);
  const uninstall = crashOnUncaught(logger);
  try {
    await startAll(components);
    const description = { pid: process.pid, role, version, ...options.describe() };
    await writeFileAtomic(runtimeFile, `${JSON.stringify(description, null, 2)}\n`);
    logger.info({ version, ...options.describe() }, 'started');
    const certificateWatch = watchCertificate(options);
    const memoryAtRest = giveMemoryBack(options);
    const reason = await stopping.reason;
    clearInterval(certificateWatch);
    await memoryAtRest?.stop();
    logger.info({ reason }, 'stopping');
    const limit = setTimeout(() => exitHard(logger, 'did not stop in time'), STOP_LIMIT_MS);
    await stopAll(components).finally(() => clearTimeout(limit));
    await rm(runtimeFile, { force: true });
    logger.info({}, 'stopped');
  } finally {
    stopping.release();
    uninstall();
  }
  if (options.signal === undefined) setTimeout(() => process.exit(process.exitCode ?? 0), LINGER_LIMIT_MS).unref();
}

/** Once now and twice a day. */
function watchCertificate({ dataDirectory, logger }: RunRoleOptions): NodeJS.Timeout {
  const look = () =>
    void warnOfCertificateEnd(dataDirectory, Date.now(), logger).catch((error) =>
      logger.warn({ error }, 'the certificate of this component cannot be read'),
    );
  look();
  return setInterval(look, CERTIFICATE_LOOK_MS).unref();
}

/** Only in a process of its own: of several roles in one, none can say that all are at rest. */
function giveMemoryBack({ signal }: RunRoleOptions): MemoryAtRest | undefined {
  const memory = signal === undefined ? thisProcess() : undefined;
  const atRest = memory && new MemoryAtRest(systemClock, memory);
  atRest?.start();
  return atRest;
}

function awaitStop({ signal, logger }: RunRoleOptions): { reason: Promise<string>; release(): void } {
  const { promise, resolve } = Promise.withResolvers<string>();
  let asked = false;
  const onSignal = (name: string) => {
    if (asked) exitHard(logger, 'stopped by a second signal');
    asked = true;
    resolve(name);
  };
  const onAbort = () => resolve('asked to stop');
  if (signal === undefined) for (const name of ['SIGTERM', 'SIGINT']) process.on(name, onSignal);
  else if (signal.aborted) onAbort();
  else signal.addEventListener('abort', onAbort, { once: true });
  const release = () => {
    for (const name of ['SIGTERM', 'SIGINT']) process.off(name, onSignal);
    signal?.removeEventListener('abort', onAbort);
  };
  return { reason: promise, release };
}

/** An error nobody caught leaves the state unknown: log it and end; what was accepted is on disk. */
function crashOnUncaught(logger: Logger): () => void {
  const crash = (error: unknown) => {
    logger.error({ error }, 'uncaught error, the process ends');
    process.exit(70);
  };
  process.on('uncaughtException', crash);
  process.on('unhandledRejection', crash);
  return () => {
    process.off('uncaughtException', crash);
    process.off('unhandledRejection', crash);
  };
}

function exitHard(logger: Logger, why: string): never {
  logger.error({}, why);
  process.exit(1);
}
