import { BackhaulLine } from '../lines/backhaul-line.ts';
import type { Line } from '../lines/line.ts';
import { PeerLine } from '../lines/peer-line.ts';
import { inTurns } from '../measure/in-turns.ts';
import { mosquitto } from '../peers/mosquitto.ts';
import { nats, natsAlways } from '../peers/nats.ts';
import { nginx } from '../peers/nginx.ts';
import type { Peer } from '../peers/peer.ts';
import { rabbitmqClassic } from '../peers/rabbitmq.ts';
import type { Comparison, Workload, WorkloadOrder } from '../workload.ts';

/** One form of each program, the synced one where there is one. */
const PEERS: readonly Peer[] = [
  natsAlways.missing() === undefined ? natsAlways : nats,
  rabbitmqClassic,
  mosquitto,
  nginx,
];
const MESSAGES = 20_000;
const WARM_UP = 5_000;
const SLOW: Readonly<Record<string, number>> = { 'nats-always': 5_000 };

/** One pair with each peer: a look, not a measurement. */
export const shortLook: Workload = {
  name: 'short-look',
  title: 'One pair of runs with each peer',
  minutes: 1,
  async run(order) {
    const [comparisons, missing]: [Comparison[], string[]] = [[], []];
    const ours = await BackhaulLine.start({ plain: true });
    try {
      await ours.run(WARM_UP);
      for (const peer of PEERS) {
        const why = peer.missing();
        if (why === undefined) comparisons.push(await look(ours, peer, order));
        else missing.push(`${peer.title}: ${why}`);
      }
    } finally {
      await ours.stop();
    }
    return { setting: `${MESSAGES} messages, plain HTTP, one pair.`, comparisons, figures: [], missing };
  },
};

async function look(ours: Line, peer: Peer, { say }: WorkloadOrder): Promise<Comparison> {
  say(`against ${peer.title} …`);
  const theirs = await PeerLine.start(peer);
  try {
    const messages = SLOW[peer.name] ?? MESSAGES;
    await theirs.run(messages / 4);
    return {
      ...{ what: 'batches up to 256', unit: 'messages/s', peer: `${peer.title} (${theirs.version})` },
      batch: { ours: 256, theirs: 1 },
      durability: { ours: ours.durability, theirs: theirs.durability },
      pairs: await inTurns(
        1,
        () => ours.run(MESSAGES),
        () => theirs.run(messages),
      ),
    };
  } finally {
    await theirs.stop();
  }
}
