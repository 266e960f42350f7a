import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { Random } from '@backhaul/runtime';
import { FaultProxy, seededRandom, type TemporaryDirectory, temporaryDirectory } from '@backhaul/testkit';
import { Fleet, SITE } from '../../fleet/fleet.ts';
import { BUILT, type LaunchOptions, type RoleProcess } from '../../fleet/role-process.ts';
import { LoadProcess } from '../load/load-process.ts';
import { LOAD_MODULES } from '../load/messages.ts';
import { copyFolder } from './copy-folder.ts';
import { ImageDisk, missingForImageDisk } from './image-disk.ts';
import { readLogs } from './log-watch.ts';

export const TIERS = ['proxy-1', 'proxy-2', 'mlm', 'appserver'] as const;
export type Tier = (typeof TIERS)[number];

export interface WorldOptions {
  readonly seed: number;
  /** before anything is started */
  readonly prepareFolder?: (folder: string) => Promise<void>;
  /** what its processes are started with besides, by name */
  readonly startWith?: (name: string, folder: string) => LaunchOptions;
}

const PROXIES = 2;
const DISK_MEBIBYTES = 768;
const MIB = 1024 * 1024;
/** Small, so that small disks can be full: what is under test is the rule, not the number. */
const SPOOL = { ballastBytes: 2 * MIB, reserveBytes: 4 * MIB };
const HEARTBEAT = { intervalMs: 2_000 };
const PACE_MS = 60;
const COMMAND_EVERY_MS = 400;

/**
 * A fleet under faults: a certificate authority, an application server, an MLM that filters and merges, two proxies; each of
 * the four a process with a disk of its own, a line that can fail between the tiers, and a load that never rests.
 */
export class World {
  readonly folder: string;
  readonly random: Random;
  readonly fleet: Fleet;
  /** between proxies and MLM, between MLM and application server */
  readonly lines: { readonly lan: FaultProxy; readonly wan: FaultProxy };
  /** none where disk images cannot be mounted */
  readonly disks: ReadonlyMap<Tier, ImageDisk>;
  readonly load: LoadProcess;
  readonly journal: string;
  /** each restart until the role said that it had started */
  readonly restarts: { readonly ms: number; readonly cpuSeconds: number }[] = [];
  /** restarts that did not come about by themselves: what happened */
  readonly refusals: string[] = [];
  readonly #directory: TemporaryDirectory;

  private constructor(
    parts: Pick<World, 'folder' | 'random' | 'fleet' | 'lines' | 'disks' | 'load' | 'journal'>,
    directory: TemporaryDirectory,
  ) {
    ({
      folder: this.folder,
      random: this.random,
      fleet: this.fleet,
      lines: this.lines,
      disks: this.disks,
      load: this.load,
      journal: this.journal,
    } = parts);
    this.#directory = directory;
  }

  static async create(options: WorldOptions): Promise<World> {
    const directory = await temporaryDirectory('bhf-');
    const folder = directory.path;
    const logs = join(folder, 'logs');
    await mkdir(logs);
    await options.prepareFolder?.(folder);
    const disks = new Map<Tier, ImageDisk>();
    const lines: { lan?: FaultProxy; wan?: FaultProxy } = {};
    const close = async () => {
      for (const line of [lines.lan, lines.wan]) await line?.stop();
      for (const disk of disks.values()) await disk.remove();
    };
    try {
      const fleet = await Fleet.create({
        proxies: PROXIES,
        launch: BUILT,
        home: async (name) => {
          if ((await missingForImageDisk()) !== undefined) return join(folder, name);
          const disk = await ImageDisk.make(join(folder, `${name}.img`), join(folder, name), DISK_MEBIBYTES);
          disks.set(name as Tier, disk);
          return disk.path;
        },
        through: async (parent, url) => {
          const line = await FaultProxy.start(url);
          lines[parent === 'mlm' ? 'lan' : 'wan'] = line;
          return line.through(url);
        },
        startWith: (name) => ({ logDirectory: logs, ...options.startWith?.(name, folder) }),
        mlm: { modules: LOAD_MODULES, spool: SPOOL, heartbeat: HEARTBEAT },
        proxy: { spool: SPOOL, heartbeat: HEARTBEAT, installer: { enabled: false } },
      });
      const journal = join(folder, 'journal.jsonl');
      const load = LoadProcess.start(
        {
          journal,
          seed: options.seed,
          proxies: fleet.proxies.map((proxy, index) => ({
            id: fleet.proxyId(index),
            socket: proxy.runtime!.listeners.integrator!,
          })),
          staff: {
            url: fleet.appserver.runtime!.listeners.staff!,
            secret: fleet.adminSecret,
            rootsPem: fleet.rootsPem,
            group: SITE,
          },
          paceMs: PACE_MS,
          commandEveryMs: COMMAND_EVERY_MS,
        },
        join(folder, 'load.json'),
        join(logs, 'load.log'),
      );
      const random = seededRandom(options.seed);
      const whole = { lan: lines.lan!, wan: lines.wan! };
      return new World({ folder, random, fleet, lines: whole, disks, load, journal }, directory);
    } catch (error) {
      await close();
      throw error;
    }
  }

  role(tier: Tier): RoleProcess {
    const { appserver, mlm, proxies } = this.fleet;
    return tier === 'appserver' ? appserver : tier === 'mlm' ? mlm : proxies[tier === 'proxy-1' ? 0 : 1]!;
  }

  /** Where the application server keeps what has come out. */
  get database(): string {
    return join(this.fleet.appserver.dataDirectory, 'store', 'appserver.db');
  }

  /** Starts a role that has ended. @returns whether it came up by itself; why not stands in `refusals` then */
  async start(tier: Tier): Promise<boolean> {
    const before = performance.now();
    try {
      await this.role(tier).start();
      this.restarts.push({ ms: performance.now() - before, cpuSeconds: this.role(tier).cpuSeconds() });
      return true;
    } catch (error) {
      this.refusals.push(`${tier}: ${(error as Error).message.slice(0, 2_000)}`);
      return false;
    }
  }

  /** What went wrong by the logs of the roles: errors that nobody caught, bugs. */
  mishaps(): string[] {
    return readLogs(join(this.folder, 'logs'));
  }

  /** @param keep leaves the folder, for whoever looks for the cause */
  async close({ keep = false } = {}): Promise<void> {
    await this.load.stop();
    for (const tier of TIERS) await this.role(tier).kill();
    await this.fleet.certs.kill();
    for (const line of [this.lines.lan, this.lines.wan]) await line.stop();
    if (keep) await this.#keepStores();
    for (const disk of this.disks.values()) await disk.remove();
    await this.fleet.stop();
    if (!keep) await this.#directory.remove();
  }

  /** The data folders as they are, off their disks. */
  async #keepStores(): Promise<void> {
    for (const [tier, disk] of this.disks)
      await copyFolder(disk.path, join(this.folder, 'stores', tier)).catch(() => undefined);
  }
}
