import { connect } from '@nats-io/transport-node';
import { Crowd } from '../light/crowd.ts';
import type { FanOutPeer } from './fan-out-peer.ts';
import { newestNats } from './nats-programs.ts';
import { startAlone } from './peer-program.ts';

/** One NATS server without JetStream; every member subscribes to one subject. Nothing is acknowledged. */
export async function natsCore(members: number): Promise<FanOutPeer> {
  const words = (port: number) => ['-a', '127.0.0.1', '-p', String(port)];
  const server = await startAlone('nats', newestNats()!.path, async (_folder, port) => words(port));
  const url = `nats://127.0.0.1:${server.port}`;
  const crowd = await Crowd.gather(new URL('nats-crowd.ts', import.meta.url), members, url).catch(async (error) => {
    await server.stop();
    throw error;
  });
  const publisher = await connect({ servers: url, reconnect: false });
  return {
    crowd,
    pids: [server.pid],
    publish: async (payloads) => {
      for (const payload of payloads) publisher.publish('everybody', payload);
      await publisher.flush();
    },
    stop: async () => {
      await publisher.close();
      await crowd.dismiss();
      await server.stop();
    },
  };
}
