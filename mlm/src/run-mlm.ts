import { createLogger, loadConfig, runRole, systemClock, systemRandom, VERSION } from '@backhaul/runtime';
import { endWithStore } from '@backhaul/spool';
import { mlmConfig } from './config.ts';
import { mlmParts } from './mlm.ts';

export interface RunMlmOptions {
  readonly configFile?: string;
  readonly env: NodeJS.ProcessEnv;
  readonly overrides?: object;
  /** Stops the role as SIGTERM does. */
  readonly signal?: AbortSignal;
}

/** The role `backhaul mlm`, from start to stop. */
export async function runMlm({ configFile, env, overrides, signal }: RunMlmOptions): Promise<void> {
  const config = loadConfig(mlmConfig, {
    env,
    ...(configFile === undefined ? {} : { file: configFile }),
    ...(overrides === undefined ? {} : { overrides }),
  });
  const logger = createLogger({ role: 'mlm', ...config.log });
  const { components, describe, store } = mlmParts({ config, clock: systemClock, random: systemRandom, logger });
  endWithStore(store, logger);
  const role = { role: 'mlm', version: VERSION, dataDirectory: config.dataDirectory, logger, components, describe };
  await runRole(signal === undefined ? role : { ...role, signal });
}
