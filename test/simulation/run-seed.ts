import { compareTotals, faultsOf, type Place } from '../invariants/total-queue.ts';
import type { FaultEvent, FaultKind } from './faults.ts';
import { ProxyNode } from './nodes/proxy-node.ts';
import { PastPutBack } from './past-put-back.ts';
import { uncaught } from './uncaught.ts';
import { passing } from './watched-handler.ts';
import { uidOf, Workload } from './workload.ts';
import { World, WorldFailure, type WorldOptions } from './world.ts';

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
/** After everything is healed, all that was accepted is there within this time. */
const DRAIN_MS = 30 * MINUTE;
/** How often the figures of the whole world are looked at. */
const LOOK_MS = 10_000;

export interface SeedResult {
  readonly seed: number;
  readonly kinds: readonly FaultKind[];
  /** of the plan of faults: how many */
  readonly planned: number;
  /** the first thing that was wrong */
  readonly failure?: { readonly invariant: string; readonly detail: string };
  /** simulated ms at the end */
  readonly endedAt: number;
  readonly trace: string;
  readonly figures: Readonly<Record<string, number>>;
}

/** One world from its beginning to its end, and the judgement on it. */
export async function runSeed(options: WorldOptions): Promise<SeedResult> {
  const world = new World(options);
  const workload = new Workload(world);
  const stopListening = uncaught((error) => world.watch.breach('I11', `uncaught: ${describe(error)}`));
  let failure: SeedResult['failure'];
  try {
    await live(world, workload);
  } catch (error) {
    const invariant = error instanceof WorldFailure ? error.invariant : 'simulation';
    failure = { invariant, detail: error instanceof WorldFailure ? error.message : describe(error) };
  } finally {
    await world.close();
    stopListening();
  }
  return {
    ...{ seed: world.seed, kinds: world.kinds, planned: world.plan().length, endedAt: world.sim.now },
    ...(failure === undefined ? {} : { failure }),
    trace: world.sim.trace.toString(),
    figures: figuresOf(world, workload),
  };
}

async function live(world: World, workload: Workload): Promise<void> {
  const { sim, watch } = world;
  const past = new PastPutBack(world);
  world.onTookEffect = (header, content, body) => {
    watch.takesEffect(passing({ header, body }), uidOf(header, content));
    if (header.class === 'command' && content.type === 'messageResponse' && content.status === 'done')
      watch.done(content.request, header.source, header.id);
    workload.effect(header, content, body);
  };
  await world.begin();
  world.beginLying();
  workload.begin(world.honestProxies);
  for (const event of world.plan()) sim.schedule(event.at, `fault ${event.kind}`, () => inflict(world, past, event));
  const bounded = (): void => {
    checkBounds(world);
    sim.schedule(LOOK_MS, 'bounds', bounded);
  };
  bounded();
  await sim.run(sim.now + world.hours * HOUR);

  workload.end();
  world.heal();
  const until = sim.now + DRAIN_MS;
  let left = 'nothing was looked at';
  let wrong: WorldFailure | undefined;
  while (sim.now < until) {
    await sim.run(sim.now + LOOK_MS);
    left = await unfinished(world, workload);
    if (left !== '') continue;
    wrong = await judge(world, workload, past);
    if (wrong === undefined) return;
    if (wrong.invariant !== 'I1') break; // what is lost may still come, nothing else gets better
  }
  if (left !== '') throw new WorldFailure('liveness', `after ${DRAIN_MS / MINUTE} minutes without faults: ${left}`);
  throw wrong!;
}

function inflict(world: World, past: PastPutBack, { kind, node: id, durationMs, value }: FaultEvent): void {
  const node = world.node(id);
  const { conditions, sim } = world;
  if (kind === 'crash') node.crash(value);
  else if (kind === 'restart') node.restart(value);
  else if (kind === 'clock-jump') node.wallOffsetMs += value;
  else if (kind === 'partition') {
    conditions.cut.add(id);
    sim.schedule(durationMs, 'partition ends', () => conditions.cut.delete(id));
  } else if (kind === 'disk-full') {
    conditions.full.add(id);
    sim.schedule(durationMs, 'disk has room', () => conditions.full.delete(id));
  } else if (node instanceof ProxyNode) past.copy(node, durationMs, value);
}

/** What still waits somewhere; empty when everything has come to its end. */
async function unfinished(world: World, workload: Workload): Promise<string> {
  for (const { id, core } of [...world.honestProxies, ...world.mlms]) {
    if (core === undefined) return `${id} does not run`;
    const { messages } = core.spool.depth();
    if (messages > 0) return `${messages} messages wait in ${id}`;
  }
  for (const app of world.appservers) {
    if (app.core === undefined) return `${app.id} does not run`;
    for (const { id } of world.componentsBelow(app)) {
      const missing = await app.unexplained(id);
      if (missing > 0) return `${missing} numbers of ${id} are not explained at ${app.id}`;
    }
  }
  for (const { id, members, lasting } of workload.given)
    for (const member of members)
      if (lasting && !world.watch.isLiar(member) && !world.watch.isDone(id, member) && !world.isRestored(member))
        return `${member} has not done ${id}`;
  return '';
}

/** The end: everything accepted has come out once, or a receipt says why not. */
async function judge(world: World, workload: Workload, past: PastPutBack): Promise<WorldFailure | undefined> {
  const fates = new Map<string, string>();
  for (const app of world.appservers) for (const [stream, ranges] of await app.tombstones()) fates.set(stream, ranges);
  const explain = ({ source, epoch, lane, sequence }: Place): string | undefined => {
    const ranges = fates.get(`${source}/${epoch}/${lane}`);
    for (const range of ranges?.split(' ') ?? []) {
      const [first, last, reason] = range.split(':');
      if (Number(first) <= sequence && sequence <= Number(last) && reason !== 'held') return reason;
    }
    return undefined;
  };
  const verdict = compareTotals(workload.sent(past), workload.effects(), explain);
  const faults = Object.entries(faultsOf(verdict)).filter(([, count]) => count > 0);
  if (faults.length === 0) return undefined;
  const names: Record<string, string> = {
    lost: 'I1',
    duplicated: 'I2',
    disordered: 'I3',
    altered: 'I4',
    phantom: 'I4',
  };
  const [kind] = faults[0]!;
  const examples = verdict[kind as 'lost']
    .slice(0, 5)
    .map((uid) => workload.describe(uid, (stream) => fates.get(stream)));
  return new WorldFailure(names[kind]!, `${kind}: ${examples.join(', ')}`);
}

function checkBounds(world: World): void {
  for (const { id, core, limits } of [...world.proxies, ...world.mlms]) {
    if (core === undefined) continue;
    const { messages, bytes } = core.spool.depth();
    if (messages > limits.maxMessages * (1 + 1 / 16) + 1 || bytes > limits.maxBytes * (1 + 1 / 16) + 1)
      world.watch.breach('I10', `the spool of ${id} holds ${messages} messages, ${bytes} bytes`);
  }
}

function figuresOf(world: World, workload: Workload): Record<string, number> {
  const sum = (pick: (figures: World['nodes'][number]['figures']) => number) =>
    world.nodes.reduce((total, { figures }) => total + pick(figures), 0);
  const plan = world.plan();
  const { network } = world;
  return {
    events: world.sim.events,
    messages: workload.handedIn,
    effects: workload.figures.effects,
    commands: workload.figures.commands,
    crashes: sum(({ crashes }) => crashes) - world.nodes.length,
    stops: sum(({ stops }) => stops),
    partitions: plan.filter(({ kind }) => kind === 'partition').length,
    restored: plan.filter(({ kind }) => kind === 'restored-copy').length,
    requests: network.figures.requests,
    lostReplies: network.figures.lostReplies,
    lostRequests: network.figures.lostRequests,
    duplicates: network.figures.duplicates,
    lies: world.lies,
    checks: world.watch.looks,
  };
}

function describe(error: unknown): string {
  return error instanceof Error ? (error.stack ?? error.message) : String(error);
}
