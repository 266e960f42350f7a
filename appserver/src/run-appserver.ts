import { createLogger, loadConfig, runRole, systemClock, systemRandom, VERSION } from '@backhaul/runtime';
import { Appserver } from './appserver.ts';
import { appserverConfig } from './config.ts';
import { endWhenDamaged } from './store/end-when-damaged.ts';
import { backupDatabase, databasePath } from './store/sqlite-database.ts';

export interface RunOptions {
  readonly configFile?: string;
  readonly env: NodeJS.ProcessEnv;
}

/** The role `appserver`, from its settings to its end. */
export async function runAppserver({ configFile, env }: RunOptions): Promise<void> {
  const config = loadConfig(appserverConfig, { env, ...(configFile === undefined ? {} : { file: configFile }) });
  const logger = createLogger({ role: 'appserver', ...config.log });
  const onDamage = endWhenDamaged({ clock: systemClock, logger, end: (exitCode) => process.exit(exitCode) });
  const appserver = new Appserver({ config, clock: systemClock, random: systemRandom, logger, onDamage });
  await runRole({
    ...{ role: 'appserver', version: VERSION, dataDirectory: config.dataDirectory, logger },
    components: appserver.components,
    describe: () => appserver.describe(),
  });
}

/** A consistent copy of the store of a data folder, in use or not, into a file that does not exist. @throws BH-E-CONFLICT */
export function backupAppserver(dataDirectory: string, toPath: string): Promise<void> {
  return backupDatabase(databasePath(dataDirectory), toPath);
}
