// A store that takes messages until it is killed; every verdict given is told on standard output, after the commit.
import { identityOf } from '@backhaul/identity';
import { EPOCH, openReceiver, TRUST_DOMAIN } from './open-receiver.ts';
import { Sender } from './sender.ts';

const [folder, peer, proxy] = process.argv.slice(2) as [string, string, string];
const { receiver } = await openReceiver(folder);
const source = new Sender(proxy, EPOCH);
const sendOn = async (lane: 4 | 6, first: number): Promise<void> => {
  for (let sequence = first; ; sequence += 8) {
    const messages = Array.from({ length: 8 }, (_, n) =>
      lane === 4
        ? source.alarm({ alarmId: `a${sequence + n}` }, { sequence: sequence + n, lane })
        : source.data({}, { sequence: sequence + n, lane }),
    );
    const verdicts = await receiver.accept({ identity: identityOf(peer, TRUST_DOMAIN), address: '' }, messages);
    if (verdicts.every(({ accepted }) => accepted)) process.stdout.write(`${lane} ${sequence} ${sequence + 7}\n`);
  }
};
await Promise.all([sendOn(4, 1), sendOn(6, 1)]);
