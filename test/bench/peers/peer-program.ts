import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync, openSync, readFileSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { freePort, temporaryDirectory } from '@backhaul/testkit';
import { endProcesses } from '../measure/clean-up.ts';
import { withDescendants } from '../measure/process-figures.ts';

const START_LIMIT_MS = 60_000;

export interface ProgramOptions {
  /** of its log */
  readonly name: string;
  readonly folder: string;
  readonly command: string;
  readonly words: readonly string[];
  /** it has started when this port of loopback takes connections */
  readonly port: number;
  readonly environment?: NodeJS.ProcessEnv;
}

/** One installed program in the foreground, its output in a file of the folder. */
export class PeerProgram {
  readonly #options: ProgramOptions;
  readonly #child: ChildProcess;
  readonly #exited: Promise<void>;

  private constructor(options: ProgramOptions) {
    const { name, folder, command, words, environment } = options;
    this.#options = options;
    const log = openSync(join(folder, `${name}.log`), 'a');
    this.#child = spawn(command, [...words], {
      stdio: ['ignore', log, log],
      cwd: folder,
      env: { ...process.env, ...environment },
    });
    closeSync(log);
    this.#exited = new Promise((resolve) => {
      this.#child.once('exit', () => resolve());
      this.#child.once('error', () => resolve());
    });
  }

  /** Throws with its last words when it ends, or does not listen in time. */
  static async start(options: ProgramOptions): Promise<PeerProgram> {
    const program = new PeerProgram(options);
    for (const end = performance.now() + START_LIMIT_MS; program.#isRunning && performance.now() < end; ) {
      if (await takesConnections(options.port)) return program;
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
    await program.stop();
    throw new Error(`${options.name} did not start:\n${program.#lastWords()}`);
  }

  get pid(): number {
    return this.#child.pid ?? 0;
  }

  /** Ends it and whatever it has started; works twice. */
  async stop(): Promise<void> {
    if (this.#isRunning) endProcesses(withDescendants([this.pid]));
    await this.#exited;
  }

  get #isRunning(): boolean {
    const { pid, exitCode, signalCode } = this.#child;
    return pid !== undefined && exitCode === null && signalCode === null;
  }

  #lastWords(): string {
    const { name, folder } = this.#options;
    return readFileSync(join(folder, `${name}.log`), 'utf8')
      .trim()
      .split('\n')
      .slice(-8)
      .join('\n');
  }
}

/** One program in a private folder of its own, which goes when it is stopped. */
export interface LoneProgram {
  readonly pid: number;
  readonly port: number;
  stop(): Promise<void>;
}

/** `wordsIn` is given the folder and the port, and may write a configuration. */
export async function startAlone(
  name: string,
  command: string,
  wordsIn: (folder: string, port: number) => Promise<readonly string[]>,
): Promise<LoneProgram> {
  const [{ path: folder, remove }, port] = [await temporaryDirectory('bh-peer-'), await freePort()];
  try {
    const program = await PeerProgram.start({ name, folder, command, words: await wordsIn(folder, port), port });
    return { pid: program.pid, port, stop: () => program.stop().then(remove) };
  } catch (error) {
    await remove();
    throw error;
  }
}

function takesConnections(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1');
    const answer = (open: boolean) => {
      socket.destroy();
      resolve(open);
    };
    socket.once('connect', () => answer(true)).once('error', () => answer(false));
  });
}

/** Stops them from the last one on. */
export async function stopAll(programs: readonly PeerProgram[]): Promise<void> {
  for (const program of programs.toReversed()) await program.stop();
}

/** Starts one after the other; when one fails, those before it are stopped. */
export async function startInOrder(
  steps: readonly (() => Promise<PeerProgram>)[],
): Promise<readonly [PeerProgram, ...PeerProgram[]]> {
  const started: PeerProgram[] = [];
  try {
    for (const step of steps) started.push(await step());
    return started as [PeerProgram, ...PeerProgram[]];
  } catch (error) {
    await stopAll(started);
    throw error;
  }
}
