import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import mqtt from 'mqtt';
import { Crowd } from '../light/crowd.ts';
import type { FanOutPeer } from './fan-out-peer.ts';
import { startAlone } from './peer-program.ts';

/** One Mosquitto; every member subscribes to one topic with QoS 1 and acknowledges what it gets. In memory, no bridge. */
export async function mosquittoOne(members: number): Promise<FanOutPeer> {
  const broker = await startAlone('broker', 'mosquitto', async (folder, port) => {
    const file = join(folder, 'mosquitto.conf');
    await writeFile(file, settings(port));
    return ['-c', file];
  });
  const url = `mqtt://127.0.0.1:${broker.port}`;
  const crowd = await Crowd.gather(new URL('mqtt-crowd.ts', import.meta.url), members, url).catch(async (error) => {
    await broker.stop();
    throw error;
  });
  const publisher = await mqtt.connectAsync(url, { protocolVersion: 5, reconnectPeriod: 0 });
  return {
    crowd,
    pids: [broker.pid],
    publish: async (payloads) => {
      await Promise.all(payloads.map((payload) => publisher.publishAsync('everybody', payload, { qos: 1 })));
    },
    stop: async () => {
      await publisher.endAsync(true);
      await crowd.dismiss();
      await broker.stop();
    },
  };
}

/** Its best foot forward: no Nagle, and no bound that a burst of 100 would meet. */
function settings(port: number): string {
  return [
    `listener ${port} 127.0.0.1`,
    'allow_anonymous true',
    'persistence false',
    'set_tcp_nodelay true',
    'max_inflight_messages 0',
    'max_queued_messages 0',
    'log_type error',
    '',
  ].join('\n');
}
