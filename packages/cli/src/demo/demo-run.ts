import { BackhaulError, systemClock, toBackhaulError } from '@backhaul/runtime';
import type { CliContext } from '../cli-context.ts';
import type { ApiClient } from '../client.ts';
import type { Role } from '../start-role.ts';
import { DemoFolder, PROCESS_NAMES, PROXIES, type ProcessName } from './demo-folder.ts';
import { type DemoResult, emptyResult } from './demo-result.ts';
import { otherPorts, type PortName, type Ports } from './free-ports.ts';
import { RoleProcess, type RuntimeFile } from './role-process.ts';
import { NOTHING, type Summary } from './summary.ts';

const PORT_ATTEMPTS = 5;

export interface DemoOptions {
  readonly dataDirectory: string;
  readonly once: boolean;
  readonly fresh: boolean;
  readonly json: boolean;
}

export const CONFIG_FILES: Readonly<Record<ProcessName, string>> = {
  certs: 'certs.yaml',
  appserver: 'appserver.yaml',
  mlm: 'mlm.yaml',
  'proxy-1': 'proxy.yaml',
  'proxy-2': 'proxy.yaml',
  'proxy-3': 'proxy.yaml',
};

/** What the steps share: the folder, the processes, what they have found out. */
export class DemoRun {
  readonly cli: CliContext;
  readonly options: DemoOptions;
  readonly folder: DemoFolder;
  readonly result: DemoResult;
  /** wall ms; what arrived before belongs to an earlier run */
  readonly startedAt: number;
  readonly processes = new Map<ProcessName, RoleProcess>();
  readonly runtimes = new Map<ProcessName, RuntimeFile>();
  ports: Ports | undefined;
  releaseKeyPem = '';
  /** counts of earlier runs on the same stores */
  before: Summary = NOTHING;
  adminSecret = '';
  /** a message worth tracing */
  sampleMessage: string | undefined;
  /** set once: nothing is started any more */
  stopping = false;
  #api: ApiClient | undefined;

  constructor(cli: CliContext, options: DemoOptions) {
    this.cli = cli;
    this.options = options;
    this.folder = new DemoFolder(options.dataDirectory);
    this.result = emptyResult(this.folder.path);
    this.startedAt = cli.clock.now();
  }

  get api(): ApiClient {
    if (this.#api === undefined) throw new Error('not logged in');
    return this.#api;
  }

  useApi(client: ApiClient): void {
    this.#api = client;
  }

  /** Component ID of a process. */
  id(name: ProcessName): string {
    const id = this.folder.state.components[name];
    if (id === undefined) throw new Error(`${name} has no component ID`);
    return id;
  }

  proxyIds(): string[] {
    return PROXIES.map((name) => this.id(name));
  }

  /** Starts a process and waits until it is ready. */
  async start(name: ProcessName, role: Role): Promise<RuntimeFile> {
    if (this.stopping) throw new BackhaulError('BH-E-DRAINING');
    const child = new RoleProcess({
      name,
      role,
      configFile: `${this.folder.of(name)}/${CONFIG_FILES[name]}`,
      dataDirectory: this.folder.of(name),
      logFile: this.folder.logFile(name),
      env: this.cli.env,
      clock: systemClock,
    });
    this.processes.set(name, child);
    const runtime = await child.start();
    this.runtimes.set(name, runtime);
    return runtime;
  }

  /**
   * Starts what listens on these ports. When another program took one of them since they were chosen, everything `start`
   * has started is stopped and started again on others.
   */
  async startOn(
    names: readonly PortName[],
    processes: readonly ProcessName[],
    start: () => Promise<void>,
  ): Promise<void> {
    for (let attempt = 1; ; attempt++) {
      try {
        return await start();
      } catch (thrown) {
        if (toBackhaulError(thrown).code !== 'BH-E-PORT' || attempt === PORT_ATTEMPTS) throw thrown;
      }
      await Promise.all(processes.map((name) => this.processes.get(name)?.stop()));
      this.ports = await otherPorts(this.ports!, names, this.cli.random.fraction());
      await this.folder.remember({ ports: { ...this.ports } });
    }
  }

  /** Names of processes that ended by themselves. */
  ended(): string[] {
    return [...this.processes.values()].flatMap(({ name, unexpectedEnd }) =>
      unexpectedEnd ? [`${name} (${unexpectedEnd})`] : [],
    );
  }

  /** From the near end to the far end, so that everything accepted has somewhere to go; the proxies together. */
  async stop(): Promise<void> {
    this.stopping = true;
    await this.#api?.close();
    await Promise.all(PROXIES.map((name) => this.processes.get(name)?.stop()));
    for (const name of PROCESS_NAMES.toReversed()) await this.processes.get(name)?.stop();
    this.folder.release();
  }

  /** At once; for a second Ctrl-C and for the last moment of the process. */
  kill(): void {
    this.stopping = true;
    for (const child of this.processes.values()) child.kill();
    this.folder.release();
  }
}
