import type { Identity } from '@backhaul/identity';
import { type Component, type Logger, startAll, stopAll } from '@backhaul/runtime';
import { Incarnation } from '../incarnation.ts';
import { SimRandom } from '../sim-random.ts';
import type { World } from '../world.ts';

/** After a start that failed, or a crash, something starts it again. */
const AGAIN_MS = 2_000;
/** A stop on request is waited for so long; then it is a crash. */
const STOP_MS = 60_000;

/** What one life of a process consists of. */
export interface Run {
  /** in the order in which they start */
  readonly components: readonly Component[];
  /** runs once everything has started */
  started?(): void;
  /** the machine stops now */
  crash(): void | Promise<void>;
}

/** One machine of the network, with the process that runs on it: started, crashed, stopped, started again. */
export abstract class SimNode {
  readonly id: string;
  readonly identity: Identity;
  readonly world: World;
  readonly random: SimRandom;
  /** how far its wall clock is off, ms */
  wallOffsetMs = 0;
  /** crashes, restarts, starts that failed */
  readonly figures = { starts: 0, failedStarts: 0, crashes: 0, stops: 0 };
  protected life: Incarnation | undefined;
  #run: Run | undefined;
  #stopping = false;
  #isOff = false;

  constructor(world: World, identity: Identity) {
    this.world = world;
    this.identity = identity;
    this.id = identity.id;
    this.random = new SimRandom(world.seed, identity.id);
  }

  /** Makes one life; nothing of it runs yet. */
  protected abstract make(life: Incarnation): Run;

  get running(): boolean {
    return this.#run !== undefined && !this.#stopping;
  }

  start(): void {
    if (this.life?.alive || this.#isOff) return;
    this.figures.starts++;
    const life = new Incarnation(this.world.sim, this.id, this.figures.starts, () => this.wallOffsetMs);
    this.life = life;
    this.#stopping = false;
    const run = this.make(life);
    this.#run = run;
    const { sim } = this.world;
    sim.starting(1);
    const settled = once(() => sim.starting(-1));
    life.after(300_000, 'start takes too long', settled);
    this.#endStart = settled;
    startAll(run.components).then(
      () => {
        settled();
        if (life.alive) run.started?.();
      },
      (error: unknown) => {
        settled();
        if (!life.alive) return;
        this.figures.failedStarts++;
        this.logger().warn({ error }, 'the start failed');
        this.crash();
      },
    );
  }

  #endStart: () => void = () => {};

  /** Crashes and does not come back. */
  switchOff(): void {
    this.#isOff = true;
    this.crash();
  }

  /** Ends the process where it stands; it comes back after a while. */
  crash(againMs = AGAIN_MS): void {
    const run = this.#run;
    if (run === undefined || !this.life?.alive) return;
    this.figures.crashes++;
    this.life.end();
    this.#endStart();
    this.#run = undefined;
    this.world.network.hangUp(this.id);
    void run.crash();
    this.world.sim.schedule(againMs, `${this.id} starts`, () => this.start());
  }

  /** Asked to stop, and started again. */
  restart(againMs = AGAIN_MS): void {
    const run = this.#run;
    const life = this.life;
    if (run === undefined || !life?.alive || this.#stopping) return;
    this.figures.stops++;
    this.#stopping = true;
    life.after(STOP_MS, 'stop takes too long', () => this.crash(againMs));
    const ended = (): void => {
      if (!life.alive) return;
      life.end();
      this.#run = undefined;
      this.world.network.hangUp(this.id);
      this.world.sim.schedule(againMs, `${this.id} starts`, () => this.start());
    };
    stopAll(run.components).then(ended, ended);
  }

  logger(): Logger {
    return this.world.logger(this.id);
  }
}

function once(action: () => void): () => void {
  let called = false;
  return () => {
    if (called) return;
    called = true;
    action();
  };
}
