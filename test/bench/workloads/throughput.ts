import { BackhaulLine } from '../lines/backhaul-line.ts';
import { ALL_PEERS, whyMissing } from '../peers/all-peers.ts';
import type { Peer } from '../peers/peer.ts';
import type { Comparison, Workload, WorkloadOrder } from '../workload.ts';
import { compareLines, PROCESS_COLUMNS } from './compare-lines.ts';
import { type Match, throughputMatches } from './throughput-matches.ts';
import { withLines } from './with-lines.ts';

const PAIRS = 5;
/** No match is begun later than this: the workload ends within a quarter of an hour. */
const LAST_START_MS = 13 * 60_000;

export const throughput: Workload = {
  name: 'throughput',
  title: 'Throughput: two store-and-forward hops, from the producer to the final consumer',
  minutes: 15,
  async run(order) {
    const [here, missing] = [ALL_PEERS.filter((peer) => peer.missing() === undefined), whyMissing()];
    const played = await playAll(throughputMatches(here, order.quick), order, (why) => missing.push(why));
    const rows = played.flatMap(({ processes }) => processes);
    return {
      setting: setting(here),
      comparisons: played.map(({ comparison }) => comparison),
      figures: [{ title: 'Processor time and memory over all runs', columns: PROCESS_COLUMNS, rows }],
      missing,
    };
  },
};

/** One that fails, or for which no time is left, is told, and the rest goes on. */
async function playAll(matches: readonly Match[], order: WorkloadOrder, missed: (why: string) => void) {
  const played: Awaited<ReturnType<typeof play>>[] = [];
  const end = performance.now() + LAST_START_MS;
  for (const match of matches) {
    const told = `${match.what}, against ${match.against}`;
    order.say(`${told} …`);
    try {
      if (performance.now() > end) throw new Error('no time was left');
      played.push(await play(match, order));
    } catch (error) {
      missed(`${told}: ${(error as Error).message}`);
    }
  }
  return played;
}

async function play(match: Match, { pairs = PAIRS, quick, say }: WorkloadOrder) {
  const { what, aim, batch, volume, ours, theirs } = match;
  return withLines([() => BackhaulLine.start(ours), theirs], async (our, their) => {
    const runs = { ...volume, pairs: quick ? 1 : pairs, say };
    const { pairs: measured, syncsPerMessage, processes } = await compareLines(our, their, runs);
    const comparison: Comparison = {
      ...{ what, unit: 'messages/s', peer: `${their.title} (${their.version})`, batch, syncsPerMessage },
      durability: { ours: our.durability, theirs: their.durability },
      pairs: measured,
      ...(aim === undefined ? {} : { aim }),
    };
    return { comparison, processes };
  });
}

function setting(peers: readonly Peer[]): string {
  const settings = peers.map(({ title, settings }) => `${title}: ${settings}.`);
  return [
    'A peer carries 1,000 bytes a message; ours is a body of 500 characters and its header, 1,430 bytes on the second hop with its framing. Each is counted once at the final consumer: for Backhaul that is the application server, which has them in its database by then; for a peer a client process that acknowledges.',
    'Backhaul: one integrator hands in over the Unix socket of a proxy, four calls at once (64 with one message a request); nothing is compressed.',
    ...settings,
  ].join(' ');
}
