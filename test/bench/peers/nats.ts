import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { freePort } from '@backhaul/testkit';
import { AckPolicy, jetstreamManager, StorageType } from '@nats-io/jetstream';
import { connect } from '@nats-io/transport-node';
import { canSyncAlways, type NatsProgram, newestNats } from './nats-programs.ts';
import type { Peer, RunningPeer } from './peer.ts';
import { PeerProgram, startInOrder, stopAll } from './peer-program.ts';

const HOUR_NS = 3_600_000_000_000;
const SETTINGS =
  'a file stream on the leaf, sourced by a file stream on the hub; acknowledged publishes, 1,000 under way; a durable pull consumer that acknowledges every 64th message for all before it';

/** Synced every two minutes, whatever was acknowledged. */
export const nats: Peer = {
  name: 'nats',
  title: 'NATS JetStream leaf → hub, default',
  durability:
    'acknowledged when written to the file, not synced: the system’s cache is what a power cut takes (sync_interval is 2 min)',
  settings: SETTINGS,
  missing: () => (newestNats() ? undefined : 'nats-server is not installed'),
  start: (folder) => startNats(folder, newestNats()!, ''),
};

/** Synced before each acknowledgement, as ours. */
export const natsAlways: Peer = {
  name: 'nats-always',
  title: 'NATS JetStream leaf → hub, sync_interval: always',
  durability: 'acknowledged after the message is synced, one sync a message, at the leaf and at the hub',
  settings: SETTINGS,
  missing: whyNotAlways,
  start: (folder) => startNats(folder, newestNats()!, 'sync_interval: always'),
};

function whyNotAlways(): string | undefined {
  const found = newestNats();
  if (found === undefined) return 'nats-server is not installed';
  return canSyncAlways(found) ? undefined : `nats-server ${found.version} knows no sync_interval; 2.10 does`;
}

async function startNats(folder: string, { path, version }: NatsProgram, sync: string): Promise<RunningPeer> {
  const [hubPort, leafPort, uplink] = [await freePort(), await freePort(), await freePort()];
  const start = (name: string, port: number, rest: string) => () => {
    const config = join(folder, `${name}.conf`);
    writeFileSync(config, serverConfig({ name, port, folder, sync, rest }));
    return PeerProgram.start({ name, folder, command: path, words: ['-c', config], port });
  };
  const programs = await startInOrder([
    start('hub', hubPort, `leafnodes { listen: "127.0.0.1:${uplink}" }`),
    start('leaf', leafPort, `leafnodes { remotes: [{ url: "nats://127.0.0.1:${uplink}" }] }`),
  ]);
  const [hub, leaf] = programs;
  const client = { kind: 'nats', in: `127.0.0.1:${leafPort}`, out: `127.0.0.1:${hubPort}` } as const;
  try {
    await makeStreams(client);
  } catch (error) {
    await stopAll(programs);
    throw error;
  }
  return { version, client, processes: { leaf: leaf!.pid, hub: hub.pid }, stop: () => stopAll(programs) };
}

function serverConfig(of: { name: string; port: number; folder: string; sync: string; rest: string }): string {
  return `server_name: ${of.name}
listen: "127.0.0.1:${of.port}"
jetstream { store_dir: "${join(of.folder, of.name)}", domain: ${of.name}, max_file_store: 20GB, ${of.sync} }
${of.rest}
`;
}

/** The hub's stream draws from the leaf's over the one connection that the leaf has made. */
async function makeStreams(client: { in: string; out: string }): Promise<void> {
  const [leaf, hub] = [await connect({ servers: client.in }), await connect({ servers: client.out })];
  try {
    const atLeaf = await jetstreamManager(leaf);
    const atHub = await jetstreamManager(hub);
    await atLeaf.streams.add({ name: 'UP', subjects: ['up'], storage: StorageType.File });
    const external = { api: '$JS.leaf.API', deliver: '' };
    await atHub.streams.add({ name: 'ALL', storage: StorageType.File, sources: [{ name: 'UP', external }] });
    const final = { durable_name: 'final', ack_policy: AckPolicy.All, ack_wait: HOUR_NS, max_ack_pending: 100_000 };
    await atHub.consumers.add('ALL', final);
  } finally {
    await Promise.all([leaf.close(), hub.close()]);
  }
}
