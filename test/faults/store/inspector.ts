import { type ChildProcess, spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import type { Contents } from './cores.ts';

const PROGRAM = fileURLToPath(new URL('inspector-process.ts', import.meta.url));
/** A supervisor starts a role again; the third start reads every table first, so the fourth must never be needed. */
const STARTS = 3;
const OPENING_MS = 60_000;

/** What an opening of a store shows. */
export interface Inspection {
  readonly contents: Contents;
  /** what the store reported by itself */
  readonly findings: readonly string[];
  readonly openMs: number;
  /** why it did not open, or could not be used */
  readonly error?: string;
}

/** Opens stores in a process of its own, one after the other; a process that damage has ended is started again. */
export class Inspector {
  #process: ChildProcess | undefined;
  #answers: AsyncIterator<string> | undefined;
  /** processes that damage ended */
  ended = 0;

  async inspect(directory: string): Promise<Inspection> {
    for (let start = 1; start <= STARTS; start += 1) {
      const answer = await this.#ask(directory);
      if (answer !== undefined) return JSON.parse(answer) as Inspection;
      this.ended += 1;
    }
    return { contents: {}, findings: [], openMs: 0, error: `ends the process at each of ${STARTS} starts` };
  }

  async stop(): Promise<void> {
    this.#process?.stdin?.end();
    this.#process = undefined;
  }

  async #ask(directory: string): Promise<string | undefined> {
    this.#process ??= this.#start();
    const running = this.#process;
    running.stdin!.write(`${directory}\n`);
    const slow = setTimeout(() => running.kill('SIGKILL'), OPENING_MS);
    const answer = await this.#answers!.next();
    clearTimeout(slow);
    if (!answer.done) return answer.value;
    this.#process = undefined;
    return undefined;
  }

  #start(): ChildProcess {
    const started = spawn(process.execPath, [...process.execArgv, PROGRAM], { stdio: ['pipe', 'pipe', 'ignore'] });
    started.stdin!.on('error', () => {}); // it has ended; the answer that does not come tells
    this.#answers = createInterface({ input: started.stdout! })[Symbol.asyncIterator]();
    return started;
  }
}
