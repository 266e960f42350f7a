import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';

/** A process of this folder that talks in lines. */
export class Child {
  readonly lines: string[] = [];
  readonly #process: ChildProcess;
  #rest = '';
  #errors = '';
  #changed: () => void = () => {};

  constructor(program: string, args: readonly string[]) {
    const file = fileURLToPath(new URL(program, import.meta.url));
    this.#process = spawn(process.execPath, ['--conditions=backhaul-source', file, ...args], { stdio: 'pipe' });
    this.#process.stdout!.on('data', (data: Buffer) => this.#read(data));
    this.#process.stderr!.on('data', (data: Buffer) => (this.#errors += data));
    this.#process.on('exit', () => this.#changed());
  }

  say(line: string): void {
    this.#process.stdin!.write(`${line}\n`);
  }

  saw(line: string): Promise<void> {
    return this.sawAny(new RegExp(`^${line}$`));
  }

  async sawAny(pattern: RegExp): Promise<void> {
    while (!this.lines.some((line) => pattern.test(line))) {
      if (this.#process.exitCode !== null) throw new Error(`ended before ${pattern}: ${this.#errors}`);
      await new Promise<void>((resolve) => (this.#changed = resolve));
    }
  }

  /** Resolves when it has ended by itself and everything it said was read. */
  async ended(): Promise<void> {
    await once(this.#process, 'close');
  }

  /** kill -9, and everything it said before */
  async kill(): Promise<void> {
    if (this.#process.exitCode !== null || this.#process.signalCode !== null) return;
    const closed = once(this.#process, 'close');
    this.#process.kill('SIGKILL');
    await closed;
  }

  /** What follows `ok ` in the lines. */
  get acknowledged(): string[] {
    return this.lines.filter((line) => line.startsWith('ok ')).map((line) => line.slice(3));
  }

  #read(data: Buffer): void {
    const lines = (this.#rest + data).split('\n');
    this.#rest = lines.pop()!;
    this.lines.push(...lines);
    this.#changed();
  }
}
