import { VERSION } from '@backhaul/runtime';
import { Fleet } from '../../fleet/fleet.ts';
import { BUILT, type RoleProcess } from '../../fleet/role-process.ts';
import { loadStored } from '../../load/load-stored.ts';
import { ARRIVALS_APPSERVER, ArrivalsListener } from './arrivals-listener.ts';
import type { Line } from './line.ts';
import { pacedSubmissions } from './paced-submissions.ts';

/** Calls under way at once: enough that no hop waits for the one that hands in. */
const CALLS_AT_ONCE = { batched: 4, single: 64 } as const;

export interface BackhaulLineOptions {
  /** plain HTTP instead of mutual TLS */
  readonly plain: boolean;
  /** messages of one request, from the integrator's to the one that the application server takes; 256 unless given */
  readonly batch?: number;
  /** messages of the integrator's requests, where the hops may put more into theirs */
  readonly request?: number;
  /** off unless given: no peer compresses, and on loopback it costs and gains nothing */
  readonly compress?: boolean;
}

/** A proxy, an MLM and an application server, compiled, each its own process. */
export class BackhaulLine implements Line {
  readonly title: string;
  readonly version: string;
  readonly durability = 'accepted after a sync that the messages of a batch share, at all three tiers';
  readonly fleet: Fleet;
  readonly #request: number;
  readonly #arrivals: ArrivalsListener;

  private constructor(
    fleet: Fleet,
    arrivals: ArrivalsListener,
    { plain, batch = 256, request = batch }: BackhaulLineOptions,
  ) {
    this.fleet = fleet;
    this.#arrivals = arrivals;
    this.#request = request;
    this.title = `Backhaul, ${plain ? 'plain' : 'mutual TLS'}, ${request === 1 ? 'one message a request' : `batches up to ${batch}`}`;
    this.version = VERSION;
  }

  static async start(options: BackhaulLineOptions): Promise<BackhaulLine> {
    const { plain, batch = 256, compress = false } = options;
    const arrivals = await ArrivalsListener.start();
    try {
      const fleet = await Fleet.create({
        plain,
        launch: BUILT,
        proxy: { uplink: { maxMessages: batch } },
        mlm: { uplink: { maxMessages: batch, compress } },
        startWith: (name) =>
          name === 'appserver' ? { launch: ARRIVALS_APPSERVER, environment: arrivals.environment } : {},
      });
      return new BackhaulLine(fleet, arrivals, options);
    } catch (error) {
      await arrivals.stop();
      throw error;
    }
  }

  get roles(): readonly RoleProcess[] {
    return [this.fleet.proxies[0]!, this.fleet.mlm, this.fleet.appserver];
  }

  get processes(): Readonly<Record<string, number>> {
    return { ...Object.fromEntries(this.roles.map(({ role, pid }) => [role, pid])), integrator: process.pid };
  }

  get stores(): readonly number[] {
    return this.roles.map(({ pid }) => pid);
  }

  async run(messages: number): Promise<number> {
    const batch = this.#request;
    const callsAtOnce = batch === 1 ? CALLS_AT_ONCE.single : CALLS_AT_ONCE.batched;
    return messages / (await loadStored(this.fleet, messages, { batch, callsAtOnce }));
  }

  async latencies(messages: number, perSecond: number): Promise<readonly number[]> {
    const arriving = this.#arrivals.expect(messages);
    const sent = await pacedSubmissions(this.#socket, messages, perSecond);
    const arrived = await arriving;
    return [...sent].map(([id, at]) => arrived.get(id)! - at);
  }

  /** Synced writes of all three since they started, by their own count. */
  async countedSyncs(): Promise<number> {
    const counts = await Promise.all(this.roles.map(syncsOf));
    return counts.reduce((sum, count) => sum + count, 0);
  }

  async stop(): Promise<void> {
    await this.fleet.stop();
    await this.#arrivals.stop();
  }

  get #socket(): string {
    return this.fleet.proxies[0]!.runtime!.listeners.integrator!;
  }
}

/** A store counts its synced writes; the application server syncs once for each transaction. */
async function syncsOf(role: RoleProcess): Promise<number> {
  const figures = await role.metrics();
  const own = figures.get(`backhaul_${role.role}_store_syncs`);
  return own ?? figures.get('backhaul_appserver_commit_seconds_count') ?? Number.NaN;
}
