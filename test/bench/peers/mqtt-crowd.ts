import mqtt from 'mqtt';
import { localAddressOf } from '../light/names.ts';
import { playCrowd } from '../light/play-crowd.ts';

playCrowd(async (member, url, told) => {
  const client = await mqtt.connectAsync(url, {
    ...{ protocolVersion: 5, clientId: `member-${member}`, reconnectPeriod: 0, keepalive: 600 },
    localAddress: localAddressOf(member),
  } as mqtt.IClientOptions);
  client.on('message', () => told(1));
  await client.subscribeAsync('everybody', { qos: 1 });
  return {};
});
