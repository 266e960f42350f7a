import { connect } from '@nats-io/transport-node';
import { playCrowd } from '../light/play-crowd.ts';

playCrowd(async (member, url, told) => {
  const connection = await connect({ servers: url, name: `member-${member}`, reconnect: false });
  connection.subscribe('everybody', { callback: () => told(1) });
  await connection.flush();
  return {};
});
