import { createLogger, exitWithParent, systemClock } from '@backhaul/runtime';
import { HostIntegrator } from './host-integrator.ts';
import { readHostArguments } from './host-options.ts';
import { realHost } from './host-system.ts';

/** The host integrator as a process of its own: `--socket <path> [--options <json>]`. Ends on SIGTERM or with its parent. */
export async function runHostIntegrator(argv: readonly string[]): Promise<void> {
  const { socketPath, options } = readHostArguments(argv);
  const logger = createLogger({ role: 'host-integrator', format: 'json' });
  const integrator = new HostIntegrator({ socketPath, options, host: realHost, clock: systemClock, logger });
  exitWithParent();
  const stopped = new Promise<void>((resolve) => {
    for (const signal of ['SIGTERM', 'SIGINT']) process.once(signal, () => resolve(integrator.stop()));
  });
  await integrator.start();
  await stopped;
}
