// The application server with one service module more: it tells of each message of the load when it has been committed.
import { connect } from 'node:net';
import { parseArgs } from 'node:util';
import { Appserver, appserverConfig, type ServiceModule } from '@backhaul/appserver';
import { createLogger, loadConfig, runRole, systemClock, systemRandom, VERSION } from '@backhaul/runtime';

const socket = connect(process.env['BACKHAUL_BENCH_ARRIVALS']!);
socket.on('error', () => {});
socket.unref();

/** The time is taken after the commit, in this process; the line may take as long as it likes. */
const arrivals: ServiceModule = {
  name: 'bench arrivals',
  subscriptions: [{ class: 'x-load', subclass: 'paced' }],
  migrations: [],
  async handle(tx, { header }) {
    tx.afterCommit(() => void socket.write(`${header.id} ${Number(process.hrtime.bigint()) / 1e6}\n`));
    return undefined;
  },
};

const { values } = parseArgs({ options: { config: { type: 'string' } }, allowPositionals: true });
const config = loadConfig(appserverConfig, { env: process.env, file: values.config! });
const logger = createLogger({ role: 'appserver', ...config.log });
const appserver = new Appserver({ config, clock: systemClock, random: systemRandom, logger, modules: [arrivals] });
await runRole({
  ...{ role: 'appserver', version: VERSION, dataDirectory: config.dataDirectory, logger },
  components: appserver.components,
  describe: () => appserver.describe(),
});
