import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { freePort, programPath } from '@backhaul/testkit';
import type { Peer, RunningPeer } from './peer.ts';
import { PeerProgram, startInOrder, stopAll } from './peer-program.ts';
import { programVersion } from './program-version.ts';
import { advancedConfig, type QueueType } from './rabbitmq-shovel.ts';

/** Debian's `rabbitmq-server` in PATH insists on the user rabbitmq; this is the same without that. */
const SERVER = '/usr/lib/rabbitmq/bin/rabbitmq-server';
const SETTINGS =
  'two nodes, each with a durable queue; persistent messages, publisher confirms, 1,000 under way; a shovel between the queues with prefetch 1,000 and ack-mode on-confirm; a consumer with prefetch 1,000 that acknowledges every 64th message for all before it';

export const rabbitmqClassic: Peer = {
  name: 'rabbitmq',
  title: 'RabbitMQ → shovel → RabbitMQ, classic queues',
  durability:
    'confirmed after a sync that many messages share, at both nodes; what has been consumed and acknowledged before that needs none',
  settings: SETTINGS,
  missing,
  start: (folder) => startRabbitmq(folder, 'classic'),
};

export const rabbitmqQuorum: Peer = {
  name: 'rabbitmq-quorum',
  title: 'RabbitMQ → shovel → RabbitMQ, quorum queues of one member',
  durability: 'confirmed after a sync of the log that many messages share, at both nodes',
  settings: SETTINGS,
  missing,
  start: (folder) => startRabbitmq(folder, 'quorum'),
};

interface NodePorts {
  readonly amqp: number;
  readonly distribution: number;
  readonly names: number;
}

function missing(): string | undefined {
  return programPath('rabbitmq-server') === undefined ? 'rabbitmq-server is not installed' : undefined;
}

async function startRabbitmq(folder: string, type: QueueType): Promise<RunningPeer> {
  const names = await freePort();
  const hub = { amqp: await freePort(), distribution: await freePort(), names };
  const site = { amqp: await freePort(), distribution: await freePort(), names };
  const programs = await startInOrder([
    () => startNames(folder, names),
    () => startNode(folder, 'hub', hub, advancedConfig(type)),
    () => startNode(folder, 'site', site, advancedConfig(type, { from: site.amqp, to: hub.amqp })),
  ]);
  const [nameServer, hubNode, siteNode] = programs;
  return {
    version: programVersion('dpkg-query', ['-s', 'rabbitmq-server'], /^Version: (\d+\.\d+\.\d+)/m),
    processes: { site: siteNode!.pid, hub: hubNode!.pid, epmd: nameServer.pid },
    client: { kind: 'rabbitmq', in: amqpUrl(site.amqp, type), out: amqpUrl(hub.amqp, type) },
    stop: () => stopAll(programs),
  };
}

/** Erlang's name server; started by ourselves, or the first node leaves one behind. */
function startNames(folder: string, port: number): Promise<PeerProgram> {
  const words = ['-port', `${port}`, '-address', '127.0.0.1'];
  return PeerProgram.start({ name: 'epmd', folder, command: 'epmd', words, port });
}

function startNode(folder: string, name: string, ports: NodePorts, config: string): Promise<PeerProgram> {
  const home = join(folder, name);
  mkdirSync(home);
  writeFileSync(join(home, 'plugins'), '[rabbitmq_shovel].');
  writeFileSync(join(home, 'advanced.config'), config);
  const environment = nodeEnvironment(home, name, ports);
  return PeerProgram.start({ name, folder, command: SERVER, words: [], port: ports.amqp, environment });
}

function nodeEnvironment(home: string, name: string, { amqp, distribution, names }: NodePorts): NodeJS.ProcessEnv {
  return {
    HOME: home,
    RABBITMQ_NODENAME: `${name}-${amqp}@localhost`,
    RABBITMQ_NODE_IP_ADDRESS: '127.0.0.1',
    RABBITMQ_NODE_PORT: `${amqp}`,
    RABBITMQ_DIST_PORT: `${distribution}`,
    RABBITMQ_MNESIA_BASE: join(home, 'mnesia'),
    RABBITMQ_LOG_BASE: join(home, 'log'),
    RABBITMQ_PID_FILE: join(home, 'pid'),
    RABBITMQ_ENABLED_PLUGINS_FILE: join(home, 'plugins'),
    RABBITMQ_ADVANCED_CONFIG_FILE: join(home, 'advanced.config'),
    RABBITMQ_CONFIG_FILE: join(home, 'none'),
    RABBITMQ_CONF_ENV_FILE: join(home, 'none'),
    RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS: '-kernel inet_dist_use_interface {127,0,0,1}',
    ERL_EPMD_PORT: `${names}`,
    ERL_EPMD_ADDRESS: '127.0.0.1',
  };
}

/** The type of the queue travels with the address: whoever connects declares it. */
function amqpUrl(port: number, type: QueueType): string {
  return `amqp://127.0.0.1:${port}?type=${type}`;
}
