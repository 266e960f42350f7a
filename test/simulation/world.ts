import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Content, Header } from '@backhaul/envelope';
import { type Identity, identityOf } from '@backhaul/identity';
import { type Logger, silentLogger, toBackhaulError } from '@backhaul/runtime';
import type { ParentConnection, RelayHandler } from '@backhaul/transport';
import { RelayWatch } from '../invariants/relay-watch.ts';
import { ByzantineProxy } from './adversaries/byzantine-proxy.ts';
import { TakenParent } from './adversaries/taken-parent.ts';
import { Conditions } from './conditions.ts';
import { type FaultEvent, type FaultKind, planFaults, swarm } from './faults.ts';
import { AppserverNode } from './nodes/appserver-node.ts';
import { MlmNode } from './nodes/mlm-node.ts';
import { ProxyNode } from './nodes/proxy-node.ts';
import type { SimNode } from './nodes/sim-node.ts';
import { AS_IS, type Variation } from './planted/variation.ts';
import { settingsOf, type WorldSettings } from './settings.ts';
import { SimNetwork } from './sim-network.ts';
import { SimRandom } from './sim-random.ts';
import type { DiskConditions } from './sim-store.ts';
import { Simulator } from './simulator.ts';
import { watchedHandler } from './watched-handler.ts';

export const TRUST_DOMAIN = 'sim.example';
export const APPSERVERS = ['provider.a1', 'provider.a2'] as const;

export interface WorldOptions {
  readonly seed: number;
  /** simulated hours in which things go wrong */
  readonly hours: number;
  /** what goes wrong; a random half when left out */
  readonly kinds?: readonly FaultKind[];
  /** places in the plan of faults that are left out */
  readonly without?: ReadonlySet<number>;
  /** so many times the usual number of faults */
  readonly times?: number;
  /** much happens in a short time */
  readonly busy?: boolean;
  readonly variation?: Variation;
  readonly log?: (node: string, level: string, fields: object, message: string) => void;
}

/** The first thing that was wrong. */
export class WorldFailure extends Error {
  readonly invariant: string;

  constructor(invariant: string, detail: string) {
    super(`${invariant}: ${detail}`);
    this.invariant = invariant;
  }
}

/**
 * A whole network in one process: 2 application servers, 3 MLMs and 40 proxies of 3 customers, the real cores on a simulated
 * clock, disk and network.
 *
 *   a1 ─ m1 (first customer, 12 proxies) ─ m2 (second customer, 14 proxies)
 *   a2 ─ m3 (third customer, 12 proxies), and 2 proxies right below a2
 */
export class World {
  readonly sim = new Simulator();
  readonly seed: number;
  readonly hours: number;
  readonly kinds: readonly FaultKind[];
  readonly settings: WorldSettings;
  readonly conditions: Conditions;
  readonly network: SimNetwork;
  readonly variation: Variation;
  readonly watch: RelayWatch;
  readonly appservers: AppserverNode[] = [];
  readonly mlms: MlmNode[] = [];
  readonly proxies: ProxyNode[] = [];
  readonly random: SimRandom;
  /** told of what took effect at an application server */
  onTookEffect: (header: Header, content: Content, body: Uint8Array) => void = () => {};
  healed = false;
  readonly #options: WorldOptions;
  readonly #folder: string;
  readonly #parents = new Map<string, string>();
  readonly #taken: TakenParent | undefined;
  #liar: ByzantineProxy | undefined;

  constructor(options: WorldOptions) {
    this.#options = options;
    this.seed = options.seed;
    this.hours = options.hours;
    this.kinds = options.kinds ?? swarm(options.seed);
    this.settings = settingsOf(this.seed, this.kinds, options.busy);
    this.conditions = new Conditions(this.seed, this.kinds);
    this.variation = options.variation ?? AS_IS;
    this.random = new SimRandom(this.seed, 'world');
    this.network = new SimNetwork(this.sim, this.conditions.lines);
    this.watch = new RelayWatch((id, top) => this.isAtOrBelow(id, top));
    this.#taken = this.kinds.includes('taken-parent') ? new TakenParent(this, APPSERVERS[1]) : undefined;
    this.sim.check = () => this.#firstBreach();
    const memory = '/dev/shm';
    this.#folder = mkdtempSync(join(existsSync(memory) ? memory : tmpdir(), 'backhaul-sim-'));
  }

  get nodes(): readonly SimNode[] {
    return [...this.appservers, ...this.mlms, ...this.proxies];
  }

  /** Everything started, everybody known to everybody that must know. */
  async begin(): Promise<void> {
    for (const id of APPSERVERS) {
      const node = new AppserverNode(this, identity(id), this.#folder);
      this.appservers.push(node);
      node.start();
    }
    await this.until(() => this.appservers.every(({ core }) => core !== undefined), 60_000);
    const [a1, a2] = this.appservers as [AppserverNode, AppserverNode];
    const m1 = await this.#site(a1, 'First', 1, 12);
    await this.#site(a1, 'Second', 1, 14, m1[0]);
    await this.#site(a2, 'Third', 1, 12);
    await this.#site(a2, 'Third', 0, 2);
    for (const node of [...this.mlms, ...this.proxies])
      this.sim.schedule(this.random.between(1, 5_000), `${node.id} starts`, () => node.start());
    await this.sim.run(this.sim.now + 120_000);
  }

  /** What goes wrong, in order, without what is to be left out. */
  plan(): readonly FaultEvent[] {
    const ids = (nodes: readonly SimNode[]) => nodes.map(({ id }) => id);
    const below = ids([...this.mlms, ...this.proxies]);
    const targets = (kind: FaultKind): readonly string[] => {
      if (kind === 'restored-copy') return ids(this.proxies);
      if (kind === 'partition') return below;
      // the few nodes above see as much of it as the many below
      return [...ids(this.proxies).slice(0, 6), ...ids(this.mlms), ...ids(this.mlms), ...ids(this.appservers)];
    };
    const all = planFaults(this.seed, this.hours, this.kinds, targets, this.#options.times);
    return all.filter((_, place) => !this.#options.without?.has(place));
  }

  node(id: string): SimNode {
    return this.nodes.find((node) => node.id === id)!;
  }

  /** Those that do not lie. */
  get honestProxies(): readonly ProxyNode[] {
    return this.proxies.filter(({ id }) => !this.watch.isLiar(id));
  }

  componentsBelow(app: AppserverNode): readonly SimNode[] {
    return [...this.mlms, ...this.honestProxies].filter(({ id }) => this.isAtOrBelow(id, app.id));
  }

  isRestored(id: string): boolean {
    return this.watch.isExcused(id);
  }

  tookEffect(header: Header, content: Content, body: Uint8Array): void {
    this.onTookEffect(header, content, body);
  }

  /** One proxy that is not what it says it is, when this world has it. */
  beginLying(): void {
    if (!this.kinds.includes('byzantine-proxy')) return;
    const liar = this.proxies[11]!; // the last one below m1
    this.watch.excuse(liar.id, 'liar');
    liar.switchOff();
    this.#liar = new ByzantineProxy(this, liar);
    this.#liar.begin();
  }

  /** The way of a child to its parent: with a bug planted in it, with a liar at its end, or as it is. */
  connection(connection: ParentConnection, node: SimNode): ParentConnection {
    const honest = this.variation.connection(connection, node);
    return this.#taken === undefined ? honest : this.#taken.between(honest);
  }

  get lies(): number {
    return (this.#liar?.lies ?? 0) + (this.#taken?.lies ?? 0);
  }

  /** From now on nothing goes wrong, and everything that is down comes back. */
  heal(): void {
    this.healed = true;
    this.#liar?.end();
    this.conditions.heal();
    for (const node of this.nodes) node.wallOffsetMs = 0;
    for (const node of this.nodes) if (!this.watch.isLiar(node.id)) node.start();
  }

  parentOf(id: string): string | undefined {
    return this.#parents.get(id);
  }

  isAtOrBelow(id: string, top: string): boolean {
    for (let at: string | undefined = id; at !== undefined; at = this.#parents.get(at)) if (at === top) return true;
    return false;
  }

  diskConditions(node: SimNode): DiskConditions {
    return this.conditions.disk(node.id, node.figures.starts);
  }

  watched(node: string, handler: RelayHandler): RelayHandler {
    return watchedHandler(this.watch, node, this.variation.handler(handler, node));
  }

  /** A whole request was refused: with a code, always. */
  refused(node: string, from: string, error: unknown): void {
    const { code, detail } = toBackhaulError(error);
    this.logger(node).info({ from, code, detail }, 'refused');
    if (code === 'BH-E-INTERNAL') this.watch.breach('I11', `${node} refuses ${from} without a code: ${String(error)}`);
  }

  logger(node: string): Logger {
    const { log } = this.#options;
    if (log === undefined) return silentLogger;
    const say = (level: string) => (fields: object, message: string) => log(node, level, fields, message);
    const logger: Logger = {
      ...{ debug: say('debug'), info: say('info'), warn: say('warn'), error: say('error') },
      child: () => logger,
    };
    return logger;
  }

  /** Runs until it is so. @throws WorldFailure when it does not become so in time */
  async until(isSo: () => boolean, withinMs: number, what = 'the world does not begin'): Promise<void> {
    await this.sim.run(this.sim.now + withinMs, isSo);
    if (!isSo()) throw new WorldFailure('liveness', what);
  }

  /** What a promise of some node brings; the world goes on meanwhile. */
  async outcome<T>(promise: Promise<T>, withinMs = 60_000): Promise<T> {
    let settled: { value: T } | { error: unknown } | undefined;
    promise.then(
      (value) => (settled = { value }),
      (error: unknown) => (settled = { error }),
    );
    await this.until(() => settled !== undefined, withinMs, 'no answer');
    const end = settled as unknown as { value: T } | { error: unknown };
    if ('error' in end) throw end.error;
    return end.value;
  }

  /** Nothing of it runs any more. */
  async close(): Promise<void> {
    this.sim.check = () => {};
    for (const node of this.nodes) node.crash();
    await this.sim.run(this.sim.now);
    rmSync(this.#folder, { recursive: true, force: true });
  }

  #firstBreach(): void {
    const breach = this.watch.breaches[0];
    if (breach !== undefined) throw new WorldFailure(breach.invariant, breach.detail);
  }

  async #site(app: AppserverNode, name: string, mlms: number, proxies: number, above?: MlmNode): Promise<MlmNode[]> {
    const { directory } = app.core!;
    const known = directory.snapshot.customers.find((customer) => customer.name === name);
    const { id: customer } = known ?? (await this.outcome(directory.addCustomer(name)));
    const site = `${name.toLowerCase()}-${mlms > 0 ? 'site' : 'desk'}`;
    await this.outcome(directory.addSite(customer, site));
    const request = { customer, site, mlms, proxies, ...(above === undefined ? {} : { parent: above.id }) };
    const records = await this.outcome(directory.ensureComponents(request));
    const made: MlmNode[] = [];
    for (const { id, kind, parent } of records) {
      this.#parents.set(id, parent);
      const parents = [{ id: parent, url: `http://${parent}` }];
      if (kind === 'mlm') made.push(new MlmNode(this, identity(id), parents));
      else this.proxies.push(new ProxyNode(this, identity(id), parents));
    }
    this.mlms.push(...made);
    return made;
  }
}

function identity(id: string): Identity {
  return identityOf(id, TRUST_DOMAIN);
}
