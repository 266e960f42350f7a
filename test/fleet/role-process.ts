import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync, openSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { mkdir, writeFile } from 'node:fs/promises';
import { request } from 'node:http';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { atExit } from '@backhaul/testkit';
import { nodeEnvironment, nodeFlags, youngFlags } from '../../scripts/pinned-node.mjs';

export type Role = 'certs' | 'appserver' | 'mlm' | 'proxy';

/** What a role writes of itself after it has started. */
export interface RuntimeFile {
  readonly pid: number;
  readonly admin: string;
  readonly listeners: {
    readonly relay?: string;
    readonly staff?: string;
    readonly enrol?: string;
    readonly integrator?: string;
  };
}

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const START_LIMIT_MS = 30_000;
/** Linux counts processor time in hundredths of a second. */
const CLOCK_TICKS = 100;
const VERB: Readonly<Record<Role, readonly string[]>> = {
  certs: ['certs', 'serve'],
  appserver: ['appserver'],
  mlm: ['mlm'],
  proxy: ['proxy'],
};

/** How a role is started: from the sources, or from what `npm run build` compiles. */
export const SOURCES: readonly string[] = [...nodeFlags({ sources: true }), join(ROOT, 'bin', 'main.mjs')];
export const BUILT: readonly string[] = [...nodeFlags({ sources: false }), join(ROOT, 'bin', 'main.mjs')];

/** How a role is started. */
export interface LaunchOptions {
  /** flags and script of Node; `SOURCES` unless given */
  readonly launch?: readonly string[] | undefined;
  /** where its log and its configuration go; the data folder unless given */
  readonly logDirectory?: string | undefined;
  /** added to the environment */
  readonly environment?: NodeJS.ProcessEnv | undefined;
}

/** One role as a real process, started, killed and started again by tests. */
export class RoleProcess {
  readonly name: string;
  readonly role: Role;
  readonly dataDirectory: string;
  readonly #settings: object;
  readonly #options: LaunchOptions;
  #child: ChildProcess | undefined;
  #exited: Promise<void> = Promise.resolve();
  runtime: RuntimeFile | undefined;

  constructor(name: string, role: Role, dataDirectory: string, settings: object, options: LaunchOptions = {}) {
    this.name = name;
    this.role = role;
    this.dataDirectory = dataDirectory;
    this.#settings = { dataDirectory, log: { format: 'json', level: 'info' }, ...settings };
    this.#options = options;
  }

  get pid(): number {
    return this.#child?.pid ?? 0;
  }

  get logFile(): string {
    return this.#options.logDirectory === undefined
      ? join(this.dataDirectory, 'log.jsonl')
      : join(this.#options.logDirectory, `${this.name}.jsonl`);
  }

  /** Resolves when the role says that it has started. */
  async start(): Promise<RuntimeFile> {
    await mkdir(this.dataDirectory, { recursive: true });
    const { logDirectory } = this.#options;
    const configFile =
      logDirectory === undefined
        ? join(this.dataDirectory, `${this.role}.yaml`)
        : join(logDirectory, `${this.name}.yaml`);
    await writeFile(configFile, JSON.stringify(this.#settings, null, 2));
    const runtimeFile = join(this.dataDirectory, 'runtime.json');
    rmSync(runtimeFile, { force: true });
    this.#spawn(configFile);
    for (const end = performance.now() + START_LIMIT_MS; performance.now() < end; ) {
      if (!this.isRunning) break;
      const runtime = readRuntime(runtimeFile);
      if (runtime) {
        this.runtime = runtime;
        return runtime;
      }
      await new Promise((resolve) => setTimeout(resolve, 25));
    }
    const log = readFileSync(this.logFile, 'utf8').trim().split('\n').slice(-5).join('\n');
    await this.kill();
    throw new Error(`${this.name} did not start:\n${log}`);
  }

  /** SIGTERM, and waits until it has drained. Works twice. */
  async stop(): Promise<void> {
    this.#child?.kill('SIGTERM');
    await this.#exited;
  }

  /** kill -9, and waits until it is gone. */
  async kill(): Promise<void> {
    this.#child?.kill('SIGKILL');
    await this.#exited;
  }

  /** Sends it a signal; SIGSTOP and SIGCONT freeze and wake it. */
  signal(name: NodeJS.Signals): void {
    this.#child?.kill(name);
  }

  /** Resolves when the process has ended, however. */
  get exited(): Promise<void> {
    return this.#exited;
  }

  get isRunning(): boolean {
    return this.#child !== undefined && this.#child.exitCode === null && this.#child.signalCode === null;
  }

  /** The values of its /metrics, by name; labelled ones summed up. */
  async metrics(): Promise<Map<string, number>> {
    const text = await get(`${this.runtime!.admin}/metrics`);
    const values = new Map<string, number>();
    for (const line of text.split('\n')) {
      const match = /^([a-zA-Z_:][\w:]*)(?:\{[^}]*\})? (\S+)/.exec(line);
      if (match) values.set(match[1]!, (values.get(match[1]!) ?? 0) + Number(match[2]));
    }
    return values;
  }

  /** Resident memory, bytes. */
  residentBytes(): number {
    const match = /^VmRSS:\s+(\d+) kB/m.exec(readFileSync(`/proc/${this.pid}/status`, 'utf8'));
    return Number(match?.[1] ?? 0) * 1024;
  }

  /** Memory of its own, bytes: resident without the files that LevelDB maps, which the kernel takes back when it needs to. */
  privateBytes(): number {
    const match = /^RssAnon:\s+(\d+) kB/m.exec(readFileSync(`/proc/${this.pid}/status`, 'utf8'));
    return Number(match?.[1] ?? 0) * 1024;
  }

  /** Files, sockets and whatever else it has open. */
  descriptors(): number {
    return readdirSync(`/proc/${this.pid}/fd`).length;
  }

  /** Processor time used so far, user and system, seconds. */
  cpuSeconds(): number {
    const fields = readFileSync(`/proc/${this.pid}/stat`, 'utf8').split(') ')[1]!.split(' ');
    return (Number(fields[11]) + Number(fields[12])) / CLOCK_TICKS;
  }

  #spawn(configFile: string): void {
    const { launch = SOURCES, environment } = this.#options;
    const log = openSync(this.logFile, 'a');
    const words = [...VERB[this.role], '--config', configFile];
    const child = spawn(process.execPath, [...youngFlags(words[0]), ...launch, ...words], {
      stdio: ['pipe', log, log],
      env: { ...nodeEnvironment(process.env), ...environment },
    });
    closeSync(log);
    this.#child = child;
    const takeBack = atExit(() => child.kill('SIGKILL'));
    this.#exited = new Promise((resolve) =>
      child.once('exit', () => {
        takeBack();
        resolve();
      }),
    );
  }
}

function readRuntime(path: string): RuntimeFile | undefined {
  try {
    return JSON.parse(readFileSync(path, 'utf8')) as RuntimeFile;
  } catch {
    return undefined;
  }
}

/** GET over plain HTTP on loopback, as text. */
export function get(url: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const call = request(url, { agent: false }, (reply) => {
      let text = '';
      reply
        .setEncoding('utf8')
        .on('data', (chunk) => (text += chunk))
        .on('end', () => resolve(text))
        .on('error', reject);
    });
    call.on('error', reject).end();
  });
}
