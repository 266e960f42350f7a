import { extname } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type Clock, type Logger, type Random, SupervisedProcess } from '@backhaul/runtime';
import type { HostIntegratorConfig, ProxyConfig } from './config.ts';

interface ChildContext {
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
}

/** The installer: its own process, so that the one that talks to the network is not the one that changes software. */
export function installerProcess(config: ProxyConfig, socketPath: string, context: ChildContext): SupervisedProcess {
  const { maxUnpackedBytes, maxFiles, maxRatio } = config.installer;
  const limits = JSON.stringify({ maxUnpackedBytes, maxFiles, maxRatio });
  return child(
    'installer',
    'installer-main',
    ['--data', config.dataDirectory, '--socket', socketPath, '--limits', limits],
    context,
  );
}

/** An integrator: its own process, which knows of the proxy nothing but the public API. */
export function integratorProcess(
  config: HostIntegratorConfig,
  socketPath: string,
  context: ChildContext,
): SupervisedProcess {
  const { use, ...options } = config;
  return child(
    `${use}-integrator`,
    `${use}-integrator-main`,
    ['--socket', socketPath, '--options', JSON.stringify(options)],
    context,
  );
}

/** Started with the same Node and its options; the entry file lies beside this one, `.ts` among sources and `.js` when built. */
function child(
  name: string,
  entry: string,
  args: readonly string[],
  { clock, random, logger }: ChildContext,
): SupervisedProcess {
  const file = fileURLToPath(new URL(`./${entry}${extname(import.meta.url)}`, import.meta.url));
  const log = logger.child({ process: name });
  return new SupervisedProcess({
    name,
    command: process.execPath,
    args: [...process.execArgv, file, ...args],
    logger,
    clock,
    random,
    onMessage: (line) => passOn(line, log),
  });
}

const LEVELS = ['debug', 'info', 'warn', 'error'] as const;

/** A child logs JSON lines; they go on at their own level. */
function passOn(line: string, log: Logger): void {
  try {
    const { level, message, time: _time, role: _role, pid, ...fields } = JSON.parse(line) as Record<string, unknown>;
    const known = LEVELS.find((candidate) => candidate === level) ?? 'info';
    log[known]({ pid, ...fields }, String(message));
  } catch {
    log.info({ line }, 'child wrote on standard output');
  }
}
