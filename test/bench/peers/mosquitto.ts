import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { freePort, programPath } from '@backhaul/testkit';
import type { Peer, RunningPeer } from './peer.ts';
import { PeerProgram, startInOrder, stopAll } from './peer-program.ts';
import { programVersion } from './program-version.ts';

export const mosquitto: Peer = {
  name: 'mosquitto',
  title: 'Mosquitto → bridge → Mosquitto, QoS 1',
  durability:
    'acknowledged from memory; its database is written every 30 minutes and at its end: a crash takes what came since',
  settings:
    'two brokers with persistence; a bridge with QoS 1 and a kept session; 1,000 in flight everywhere; a subscriber with a kept session',
  missing: () => (programPath('mosquitto') ? undefined : 'mosquitto is not installed'),
  start: startMosquitto,
};

async function startMosquitto(folder: string): Promise<RunningPeer> {
  const [hubPort, sitePort] = [await freePort(), await freePort()];
  const bridge = `connection up
address 127.0.0.1:${hubPort}
topic up out 1
cleansession false
`;
  const programs = await startInOrder([
    () => startBroker(folder, 'hub', hubPort, ''),
    () => startBroker(folder, 'site', sitePort, bridge),
  ]);
  const [hub, site] = programs;
  return {
    version: programVersion('mosquitto', ['-h'], /version (\d+\.\d+\.\d+)/),
    processes: { site: site!.pid, hub: hub.pid },
    client: { kind: 'mosquitto', in: `mqtt://127.0.0.1:${sitePort}`, out: `mqtt://127.0.0.1:${hubPort}` },
    stop: () => stopAll(programs),
  };
}

function startBroker(folder: string, name: string, port: number, rest: string): Promise<PeerProgram> {
  const home = join(folder, name);
  mkdirSync(home);
  const config = join(home, 'mosquitto.conf');
  writeFileSync(
    config,
    `user root
listener ${port} 127.0.0.1
allow_anonymous true
persistence true
persistence_location ${home}/
max_inflight_messages 1000
max_queued_messages 0
log_type error
log_type warning
${rest}`,
  );
  return PeerProgram.start({ name, folder, command: 'mosquitto', words: ['-c', config], port });
}
