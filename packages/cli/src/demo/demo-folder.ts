import { closeSync, existsSync, mkdirSync, openSync, readdirSync, readFileSync, rmSync, writeSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { BackhaulError, type Clock, readJson, writeFileAtomic } from '@backhaul/runtime';
import { z } from 'zod';
import { commandLineOf, isAlive, runningPid } from '../running-pid.ts';

export const PROXIES = ['proxy-1', 'proxy-2', 'proxy-3'] as const;
export const SITE_PROCESSES = ['mlm', ...PROXIES] as const;
/** The folder of each process, from the far end to the near end. */
export const PROCESS_NAMES = ['certs', 'appserver', ...SITE_PROCESSES] as const;
export type ProcessName = (typeof PROCESS_NAMES)[number];

const STOP_STALE_MS = 10_000;
const LOOK_EVERY_MS = 100;

const stateShape = z.strictObject({
  format: z.literal(1),
  /** ports that were free once, taken again when they still are */
  ports: z.record(z.string(), z.int()),
  customer: z.string().optional(),
  /** component IDs by process name */
  components: z.record(z.string(), z.string()),
  /** pushes so far: version 1.0.N of the demo package */
  pushes: z.int(),
});
export type DemoState = z.infer<typeof stateShape>;

const NEW_STATE: DemoState = { format: 1, ports: {}, components: {}, pushes: 0 };

/** The demo's data folder: a folder for each process, the logs, the release key, the CLI's login, and what to remember. */
export class DemoFolder {
  readonly path: string;
  state: DemoState = NEW_STATE;
  #locked = false;

  constructor(path: string) {
    this.path = resolve(path);
  }

  of(name: ProcessName): string {
    return join(this.path, name);
  }

  file(name: string): string {
    return join(this.path, name);
  }

  logFile(name: ProcessName): string {
    return join(this.path, 'logs', `${name}.log`);
  }

  /** Alone in the folder, nothing of an earlier run alive, state read. Throws BH-E-SPOOL-LOCKED when a demo runs in it. */
  async takeUp(fresh: boolean, clock: Clock): Promise<'new' | 'taken up'> {
    refuseForeign(this.path);
    mkdirSync(this.path, { recursive: true, mode: 0o700 });
    this.#lock();
    for (const name of PROCESS_NAMES.toReversed()) await stopStale(this.of(name), clock);
    if (fresh) this.#clear();
    const known = existsSync(this.file('demo.json'));
    this.state = known ? await readJson(this.file('demo.json'), stateShape) : NEW_STATE;
    if (!known) await this.remember({});
    return known ? 'taken up' : 'new';
  }

  async remember(change: Partial<DemoState>): Promise<void> {
    this.state = { ...this.state, ...change };
    await writeFileAtomic(this.file('demo.json'), `${JSON.stringify(this.state, null, 2)}\n`);
  }

  release(): void {
    if (this.#locked) rmSync(this.file('demo.lock'), { force: true });
    this.#locked = false;
  }

  #lock(): void {
    const file = this.file('demo.lock');
    for (let attempt = 0; attempt < 2 && !this.#locked; attempt++) {
      this.#locked = createLock(file);
      if (this.#locked) return;
      const holder = lockHolder(file);
      if (holder !== undefined)
        throw new BackhaulError('BH-E-SPOOL-LOCKED', {
          detail: `the demo with process ID ${holder} runs in ${this.path}`,
        });
      rmSync(file, { force: true });
    }
    if (!this.#locked) throw new BackhaulError('BH-E-SPOOL-LOCKED', { detail: this.path });
  }

  #clear(): void {
    for (const name of readdirSync(this.path))
      if (name !== 'demo.lock') rmSync(join(this.path, name), { recursive: true, force: true });
  }
}

/** A folder with other things in it is never used, and above all never cleared. */
function refuseForeign(path: string): void {
  if (!existsSync(path)) return;
  const names = readdirSync(path);
  if (names.length === 0 || names.includes('demo.json') || names.every((name) => name === 'demo.lock')) return;
  throw new BackhaulError('BH-E-CONFLICT', {
    detail: `${path} holds other things than a demo; give another folder with --data`,
  });
}

function createLock(file: string): boolean {
  try {
    const handle = openSync(file, 'wx', 0o600);
    writeSync(handle, `${process.pid}\n`);
    closeSync(handle);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false;
    throw error;
  }
}

/** The living demo that holds the lock; a number that went to another program holds nothing. */
function lockHolder(file: string): number | undefined {
  const pid = Number.parseInt(readFileSync(file, 'utf8'), 10);
  if (!Number.isInteger(pid) || pid <= 0 || pid === process.pid || !isAlive(pid)) return undefined;
  const command = commandLineOf(pid);
  return command === undefined || /\bdemo\b/.test(command) ? pid : undefined;
}

/** A role of a demo that crashed may still be draining: wait for it, then end it. */
async function stopStale(dataDirectory: string, clock: Clock): Promise<void> {
  const pid = runningPid(dataDirectory);
  if (pid === undefined || pid === process.pid) return;
  const command = commandLineOf(pid);
  if (command !== undefined && !command.includes(dataDirectory)) return;
  if (command === undefined) {
    throw new BackhaulError('BH-E-SPOOL-LOCKED', {
      detail: `process ${pid} seems to run on ${dataDirectory}; stop it first`,
    });
  }
  signal(pid, 'SIGTERM');
  const end = clock.monotonic() + STOP_STALE_MS;
  while (isAlive(pid) && clock.monotonic() < end) await clock.sleep(LOOK_EVERY_MS);
  signal(-pid, 'SIGKILL');
}

function signal(pid: number, name: 'SIGTERM' | 'SIGKILL'): void {
  try {
    process.kill(pid, name);
  } catch {
    // gone already
  }
}
