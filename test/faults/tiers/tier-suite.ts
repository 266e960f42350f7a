import { seededRandom } from '@backhaul/testkit';
import type { LaunchOptions } from '../../fleet/role-process.ts';
import { faultsOf, type Verdict } from '../../invariants/total-queue.ts';
import type { FaultSuite, SuiteOrder, SuiteResult } from '../suite.ts';
import { askLedger, type Fates } from '../world/ask-ledger.ts';
import { isWell, type Judgement, pause, settle } from '../world/settle.ts';
import { TIERS, World } from '../world/world.ts';
import { Dice } from './dice.ts';

/** One kind of fault on the running fleet. */
export interface TierFault {
  readonly name: string;
  readonly title: string;
  readonly counts: FaultSuite['counts'];
  readonly missing?: FaultSuite['missing'];
  /** before anything is started: what its processes need in the folder of the fleet */
  readonly prepareFolder?: (folder: string) => Promise<void>;
  readonly startWith?: (name: string, folder: string) => LaunchOptions;
  /** once, before there is any load */
  readonly prepare?: (world: World) => Promise<void>;
  /** Makes it happen and heals it. @returns how many faults it was */
  readonly inject: (world: World, dice: Dice) => Promise<number>;
  /** puts right what may still be wrong, before the judgement */
  readonly heal?: (world: World) => Promise<void>;
  /** how long what is under way may take to its end after the faults; two minutes unless given */
  readonly drainLimitMs?: number;
  /** something is planted that must be found: nothing is kept to look for the cause */
  readonly isPlanted?: boolean;
}

/** After so many faults they stop, and it is judged. */
const ROUND = 40;
/** ms of traffic between two faults */
const TRAFFIC_MS = [150, 900] as const;
/**
 * [I9] processor time from the start of the process until the role says that it has started; its stores are far below a GiB.
 * On the wall clock, which other work on the machine stretches, it is given up after 30 s.
 */
const RESTART_LIMIT_SECONDS = 5;
/** [I10] */
const RESIDENT_LIMIT_BYTES = 400 * 1024 * 1024;
const DESCRIPTOR_LIMIT = 256;
const SHOWN = 5;

/** The same course for every kind: faults and traffic in turn, then rest, then the oracle. */
export function tierSuite(fault: TierFault): FaultSuite {
  const { name, title, counts, missing } = fault;
  return { name, title, counts, ...(missing === undefined ? {} : { missing }), run: (order) => run(fault, order) };
}

async function run(fault: TierFault, order: SuiteOrder): Promise<SuiteResult> {
  const account = new Account(fault.name, order);
  let world: World | undefined;
  try {
    world = await World.create({ seed: order.seed, ...fault });
    await course(fault, order, world, account);
  } catch (error) {
    account.failures.push(`the harness itself: ${(error as Error).stack}`);
  } finally {
    await world?.close({ keep: account.failures.length > 0 && !fault.isPlanted });
  }
  if (account.failures.length > 0 && world !== undefined && !fault.isPlanted)
    account.failures.push(`logs and stores are kept in ${world.folder}`);
  return account.result();
}

async function course(fault: TierFault, order: SuiteOrder, world: World, account: Account): Promise<void> {
  const dice = new Dice(seededRandom(order.seed));
  await fault.prepare?.(world);
  world.load.resume();
  await pause(1_000);
  while (account.faults < order.count && account.failures.length === 0) {
    const until = Math.min(order.count, account.faults + ROUND);
    while (account.faults < until) {
      account.faults += await fault.inject(world, dice);
      await supervise(world, account);
      await pause(dice.between(...TRAFFIC_MS));
    }
    await fault.heal?.(world);
    account.judge(await settle(world, fault.drainLimitMs), world);
    account.asOperatorsSee(await askLedger(world.fleet));
    order.progress(account.line(order.count));
    world.load.resume();
  }
  account.count(world);
}

/** What a service manager does: a process that has ended is started again. That it ended is told. */
async function supervise(world: World, account: Account): Promise<void> {
  for (const tier of TIERS) {
    if (world.role(tier).isRunning) continue;
    account.ended++;
    await world.start(tier);
  }
}

/** What was found in the rounds of one suite. */
class Account {
  faults = 0;
  /** processes that ended by themselves and were started again */
  ended = 0;
  readonly failures: string[] = [];
  readonly #name: string;
  readonly #order: SuiteOrder;
  #wrong = { lost: 0, duplicated: 0, unexplained: 0, undetected: 0, refusedToStart: 0 };
  #last: Judgement | undefined;
  #ledger: Fates | undefined;
  #longestDrainMs = 0;
  #slowestRestartMs = 0;
  #dearestRestart = 0;
  #restarts = 0;
  #mostBytes = 0;
  #mostDescriptors = 0;

  constructor(name: string, order: SuiteOrder) {
    this.#name = name;
    this.#order = order;
  }

  /** The journal and the far end hold everything since the fleet was made: each judgement stands for all rounds so far. */
  judge(judgement: Judgement, world: World): void {
    const { messages, commands } = judgement.verdict;
    this.#last = judgement;
    this.#longestDrainMs = Math.max(this.#longestDrainMs, judgement.drainMs);
    const counts = [messages, commands].map(faultsOf);
    const sum = (of: (faults: ReturnType<typeof faultsOf>) => number) =>
      counts.reduce((total, faults) => total + of(faults), 0);
    this.#wrong = {
      lost: sum(({ lost }) => lost),
      duplicated: sum(({ duplicated }) => duplicated),
      unexplained: judgement.unexplained,
      undetected: sum(({ phantom, altered, disordered }) => phantom + altered + disordered),
      refusedToStart: world.refusals.length,
    };
    if (!isWell(judgement)) {
      this.failures.push(...named('messages', messages), ...named('commands', commands));
      if (judgement.unexplained > 0) this.failures.push(`the ledger does not explain ${judgement.unexplained}`);
      this.failures.push(...judgement.waiting.map((line) => `still waiting after two minutes: ${line}`));
    }
    this.#weigh(world);
    this.failures.push(...world.refusals, ...world.mishaps());
    if (this.failures.length > 0) this.failures.unshift(this.#reproduction());
  }

  count(world: World): void {
    this.#restarts += world.restarts.length;
    this.#slowestRestartMs = Math.max(0, ...world.restarts.map(({ ms }) => ms));
    this.#dearestRestart = Math.max(0, ...world.restarts.map(({ cpuSeconds }) => cpuSeconds));
    const slow = world.restarts.filter(({ cpuSeconds }) => cpuSeconds > RESTART_LIMIT_SECONDS);
    if (slow.length > 0) {
      this.#wrong.refusedToStart += slow.length;
      this.failures.push(`${slow.length} restarts took up to ${this.#dearestRestart} s of processor time`);
    }
  }

  /** The command that people use has to say the same as the oracle. */
  asOperatorsSee(ledger: Fates): void {
    this.#ledger = ledger;
    if (ledger['unexplained'] !== this.#wrong.unexplained)
      this.failures.push(`\`backhaul ledger\` leaves ${ledger['unexplained']} unexplained`);
  }

  line(of: number): string {
    const { messages, commands } = this.#last!.verdict;
    return `${this.faults} of ${of}: ${messages.accepted} messages and ${commands.accepted} commands accepted, ${JSON.stringify(this.#wrong)}, drained in ${Math.round(this.#last!.drainMs)} ms`;
  }

  result(): SuiteResult {
    const messages = this.#last?.verdict.messages;
    const explained = Object.entries(messages?.explained ?? {}).map(([reason, count]) => `${count} ${reason}`);
    return {
      faults: this.faults,
      ...this.#wrong,
      messages: messages?.accepted ?? 0,
      ...(this.#ledger === undefined ? {} : { ledger: this.#ledger }),
      notes: [
        `${messages?.accepted ?? 0} messages accepted, ${messages?.delivered ?? 0} delivered as sent, by receipt ${explained.join(', ')}`,
        `${this.#last?.verdict.commands.accepted ?? 0} commands answered once`,
        `${this.#restarts} restarts, the slowest ${Math.round(this.#slowestRestartMs)} ms, the dearest ${this.#dearestRestart} s of processor time; drained in at most ${Math.round(this.#longestDrainMs)} ms`,
        `at most ${Math.round(this.#mostBytes / 1024 / 1024)} MiB resident and ${this.#mostDescriptors} descriptors`,
        ...(this.ended === 0 ? [] : [`${this.ended} times a process ended by itself and was started again`]),
      ],
      failures: this.failures,
    };
  }

  #weigh(world: World): void {
    for (const tier of TIERS) {
      const role = world.role(tier);
      if (!role.isRunning) continue;
      const [bytes, descriptors] = [role.residentBytes(), role.descriptors()];
      this.#mostBytes = Math.max(this.#mostBytes, bytes);
      this.#mostDescriptors = Math.max(this.#mostDescriptors, descriptors);
      if (bytes > RESIDENT_LIMIT_BYTES) this.failures.push(`${tier} has ${bytes} bytes resident`);
      if (descriptors > DESCRIPTOR_LIMIT) this.failures.push(`${tier} has ${descriptors} descriptors open`);
    }
  }

  #reproduction(): string {
    return `again: npm run test:faults -- --only ${this.#name} --seed ${this.#order.seed} --count ${this.#order.count}`;
  }
}

function named(what: string, verdict: Verdict): string[] {
  return (['lost', 'duplicated', 'phantom', 'altered', 'disordered'] as const).flatMap((kind) => {
    const list = verdict[kind];
    return list.length === 0 ? [] : [`${list.length} ${what} ${kind}: ${list.slice(0, SHOWN).join(', ')}`];
  });
}
