import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync, openSync, writeFileSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { atExit } from '@backhaul/testkit';
import type { GeneratorConfig } from './generator.ts';

const GENERATOR = fileURLToPath(new URL('generator.ts', import.meta.url));

/** The load generator as seen from the harness: started paused, resumed and paused at will. */
export class LoadProcess {
  readonly #child: ChildProcess;
  readonly #exited: Promise<void>;
  #paused = Promise.withResolvers<void>();

  private constructor(child: ChildProcess) {
    this.#child = child;
    this.#exited = new Promise((resolve) => child.once('exit', () => resolve()));
    createInterface({ input: child.stdout! }).on('line', () => this.#paused.resolve());
  }

  static start(config: GeneratorConfig, configFile: string, logFile: string): LoadProcess {
    writeFileSync(configFile, JSON.stringify(config));
    const log = openSync(logFile, 'a');
    const child = spawn(process.execPath, [...process.execArgv, GENERATOR, configFile], {
      stdio: ['pipe', 'pipe', log],
    });
    closeSync(log);
    const takeBack = atExit(() => child.kill('SIGKILL'));
    child.once('exit', takeBack);
    return new LoadProcess(child);
  }

  resume(): void {
    this.#say('resume');
  }

  /** Resolves when every sender rests: whatever was handed in has been answered, or given up. */
  async pause(): Promise<void> {
    this.#paused = Promise.withResolvers();
    this.#say('pause');
    await Promise.race([
      this.#paused.promise,
      this.#exited.then(() => Promise.reject(new Error('the load generator has ended'))),
    ]);
  }

  async stop(): Promise<void> {
    if (this.#child.exitCode === null) this.#say('stop');
    await this.#exited;
  }

  #say(word: string): void {
    this.#child.stdin?.write(`${word}\n`);
  }
}
