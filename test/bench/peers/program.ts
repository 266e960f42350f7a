import { type ChildProcess, spawn } from 'node:child_process';
import { accessSync, closeSync, constants, openSync, readFileSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { type TemporaryDirectory, temporaryDirectory } from '@backhaul/testkit';

/** Debian's servers stand where a user's PATH does not look. */
const FOLDERS = ['/usr/local/sbin', '/usr/local/bin', '/usr/sbin', '/usr/bin', '/sbin', '/bin'];
const START_LIMIT_MS = 15_000;
const STOP_LIMIT_MS = 5_000;

/** Where a program is installed; undefined: it is not. */
export function installed(program: string): string | undefined {
  const paths = [...(process.env['PATH'] ?? '').split(':'), ...FOLDERS].map((folder) => join(folder, program));
  return paths.find((path) => {
    try {
      accessSync(path, constants.X_OK);
      return true;
    } catch {
      return false;
    }
  });
}

/** One installed program, run in a private folder on a port of loopback, and ended by its process id. */
export class Program {
  readonly folder: string;
  readonly port: number;
  readonly #child: ChildProcess;
  readonly #temporary: TemporaryDirectory;
  readonly #exited: Promise<void>;
  readonly #endWithUs = (): void => void this.#child.kill('SIGKILL');

  private constructor(child: ChildProcess, port: number, temporary: TemporaryDirectory) {
    this.#child = child;
    this.port = port;
    this.#temporary = temporary;
    this.folder = temporary.path;
    this.#exited = new Promise((resolve) => child.once('exit', () => resolve()));
    process.once('exit', this.#endWithUs);
  }

  /** `argumentsIn` is given the folder, where it may write a configuration. Resolves when the port takes connections. */
  static async start(
    program: string,
    port: number,
    argumentsIn: (folder: string) => Promise<readonly string[]>,
  ): Promise<Program> {
    const path = installed(program);
    if (path === undefined) throw new Error(`${program} is not installed`);
    const temporary = await temporaryDirectory('bh-peer-');
    const words = await argumentsIn(temporary.path);
    const log = openSync(join(temporary.path, 'log'), 'a');
    const child = spawn(path, words, { cwd: temporary.path, stdio: ['ignore', log, log] });
    closeSync(log);
    const running = new Program(child, port, temporary);
    try {
      await running.#listening();
      return running;
    } catch (error) {
      await running.stop();
      throw error;
    }
  }

  get pid(): number {
    return this.#child.pid!;
  }

  async stop(): Promise<void> {
    process.off('exit', this.#endWithUs);
    this.#child.kill('SIGTERM');
    const late = setTimeout(() => this.#child.kill('SIGKILL'), STOP_LIMIT_MS);
    await this.#exited;
    clearTimeout(late);
    await this.#temporary.remove();
  }

  async #listening(): Promise<void> {
    for (const end = performance.now() + START_LIMIT_MS; performance.now() < end; ) {
      if (this.#child.exitCode !== null || this.#child.signalCode !== null) break;
      if (await takesConnections(this.port)) return;
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    const log = readFileSync(join(this.folder, 'log'), 'utf8').trim().split('\n').slice(-5).join('\n');
    throw new Error(`${this.#child.spawnfile} does not listen on ${this.port}: ${log}`);
  }
}

function takesConnections(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1');
    const settle = (taken: boolean): void => {
      socket.destroy();
      resolve(taken);
    };
    socket.once('connect', () => settle(true)).once('error', () => settle(false));
  });
}
