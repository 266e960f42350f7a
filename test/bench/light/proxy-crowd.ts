import { LightProxy } from './light-proxy.ts';
import { upwardMessage } from './messages.ts';
import { localAddressOf, proxyId, TRUST_DOMAIN } from './names.ts';
import { playCrowd } from './play-crowd.ts';

playCrowd(async (member, parentUrl, told) => {
  const id = proxyId(member);
  const localAddress = localAddressOf(member);
  const proxy = new LightProxy({ id, trustDomain: TRUST_DOMAIN, parentUrl, localAddress, onMessages: told });
  await proxy.start();
  let sequence = 0;
  return { send: () => proxy.send([upwardMessage(id, ++sequence)]) };
});
