import { programPath } from '@backhaul/testkit';
import { backhaulFanOut } from '../light/backhaul-fan-out.ts';
import { monotonicMs } from '../light/crowd.ts';
import { type Pair, spread } from '../measure/in-turns.ts';
import { cpuSeconds, residentMiB } from '../measure/process-figures.ts';
import type { FanOutPeer } from '../peers/fan-out-peer.ts';
import { mosquittoOne } from '../peers/mosquitto-one.ts';
import { natsCore } from '../peers/nats-core.ts';
import { newestNats } from '../peers/nats-programs.ts';
import type { Comparison, Figures, Workload, WorkloadOrder } from '../workload.ts';

const FULL = { members: 1_000, burst: 100, pairs: 5, singles: 5 } as const;
const QUICK = { members: 100, burst: 20, pairs: 2, singles: 3 } as const;
/** header and body of one of ours */
const PAYLOAD = Buffer.alloc(1_000, 'x');
/** Between two measurements: what acknowledges is done with it, and nothing of one run is left for the next. */
const REST_MS = 500;

interface Size {
  readonly members: number;
  readonly burst: number;
  readonly singles: number;
}

/** One system after one round. */
interface Round {
  /** ms until the last member had one message: the median of some */
  readonly singleMs: number;
  /** of a burst */
  readonly deliveriesPerSecond: number;
  /** of the burst, µs of the system's processor a delivery */
  readonly cpuMicros: number;
  readonly residentMiB: number;
}

const PEERS = [
  {
    name: 'Mosquitto, one broker, QoS 1',
    isThere: () => programPath('mosquitto') !== undefined,
    missing: 'mosquitto is not installed',
    start: mosquittoOne,
    theirs: 'in memory, no sync; the subscriber acknowledges to the broker (mqtt.js)',
    aims: [
      { better: 'less', reach: 4, goFor: 1.5 },
      { better: 'more', reach: 0.7, goFor: 1 },
    ],
  },
  {
    name: 'NATS core, one server',
    isThere: () => newestNats() !== undefined,
    missing: 'nats-server is not installed',
    start: natsCore,
    theirs: 'none: at most once, nothing is kept, nothing is acknowledged',
    aims: [],
  },
] as const;

const OURS =
  'synced in every mailbox of the MLM before a member hears of it; the member (a light client, in memory) acknowledges with its next poll, and what is removed by that is synced too';

export const fanOut: Workload = {
  name: 'fan-out',
  title: 'A group message to many connected members',
  minutes: 4,
  run,
};

async function run({ quick, say, pairs }: WorkloadOrder) {
  const size = quick ? QUICK : FULL;
  const count = pairs ?? size.pairs;
  const there = PEERS.filter(({ isThere }) => isThere());
  const systems = [{ name: 'Backhaul', start: backhaulFanOut }, ...there];
  const rounds = systems.map((): Round[] => []);
  for (let n = 1; n <= count; n += 1) {
    for (const [at, { name, start }] of systems.entries()) {
      const round = await oneRound(start, size);
      rounds[at]!.push(round);
      say(
        `${n}/${count} ${name}: one ${round.singleMs.toFixed(1)} ms, burst ${Math.round(round.deliveriesPerSecond)}/s`,
      );
    }
  }
  return {
    setting: `${size.members} members in two processes, each with its own connection over plain loopback; one message of about 1 KB, then a burst of ${size.burst}, handed to the system above one MLM (or by one publisher)`,
    comparisons: there.flatMap((peer, at) => comparisonsOf(peer, size, rounds[0]!, rounds[at + 1]!)),
    figures: [costs(systems, rounds)],
    missing: PEERS.filter((peer) => !there.includes(peer)).map(({ missing }) => missing),
  };
}

/** A fresh system with fresh members, as each of a pair has. */
async function oneRound(start: (members: number) => Promise<FanOutPeer>, size: Size): Promise<Round> {
  const system = await start(size.members);
  try {
    await rest();
    await deliver(system, 1); // the first one meets cold code on every side
    const singles: number[] = [];
    for (let n = 0; n < size.singles; n += 1) singles.push(await deliver(system, 1));
    const cpuBefore = cpuSeconds(system.pids);
    const burstMs = await deliver(system, size.burst);
    const deliveries = size.members * size.burst;
    return {
      singleMs: spread(singles).median,
      deliveriesPerSecond: (deliveries * 1000) / burstMs,
      cpuMicros: ((cpuSeconds(system.pids) - cpuBefore) * 1e6) / deliveries,
      residentMiB: residentMiB(system.pids),
    };
  } finally {
    await system.stop();
  }
}

/** Ms from handing it over until the last member had it and has sent its acknowledgement. */
async function deliver(system: FanOutPeer, count: number): Promise<number> {
  const { all } = await system.crowd.expect(count);
  const from = monotonicMs();
  await system.publish(Array.from({ length: count }, () => PAYLOAD));
  const ms = (await all) - from;
  await rest();
  return ms;
}

function comparisonsOf(peer: (typeof PEERS)[number], size: Size, ours: Round[], theirs: Round[]): Comparison[] {
  const durability = { ours: OURS, theirs: peer.theirs };
  const pairsOf = (of: (round: Round) => number): Pair[] =>
    ours.map((round, n) => ({ ours: of(round), theirs: of(theirs[n]!) }));
  const [single, burst] = peer.aims;
  const common = { peer: peer.name, durability };
  return [
    {
      ...{ ...common, what: `one group message to ${size.members}`, unit: 'ms until all have it' },
      ...{ pairs: pairsOf(({ singleMs }) => singleMs), ...(single && { aim: single }) },
    },
    {
      ...{ ...common, what: `burst of ${size.burst} to ${size.members}`, unit: 'deliveries/s' },
      ...{ pairs: pairsOf(({ deliveriesPerSecond }) => deliveriesPerSecond), ...(burst && { aim: burst }) },
    },
  ];
}

function costs(systems: readonly { name: string }[], rounds: readonly Round[][]): Figures {
  const middle = (of: Round[], what: (round: Round) => number) => spread(of.map(what)).median;
  return {
    title: 'What a delivery of the burst costs the system in the middle (medians)',
    columns: ['system', 'CPU µs a delivery', 'MiB after it'],
    rows: systems.map(({ name }, at) => [
      name,
      Number(middle(rounds[at]!, ({ cpuMicros }) => cpuMicros).toFixed(1)),
      Math.round(middle(rounds[at]!, (round) => round.residentMiB)),
    ]),
  };
}

function rest(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, REST_MS));
}
