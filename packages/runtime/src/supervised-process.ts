import { type ChildProcess, spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import type { Readable } from 'node:stream';
import type { Clock, Timer } from './clock.ts';
import type { Component } from './lifecycle.ts';
import type { Logger } from './logging.ts';
import type { Random } from './random.ts';

const FIRST_WAIT_MS = 500;
const LONGEST_WAIT_MS = 30_000;
/** A child that lived this long counts as well again: its next failure waits the shortest time. */
const HEALTHY_AFTER_MS = 60_000;
const KILL_AFTER_MS = 5_000;

export interface SupervisedProcessOptions {
  readonly name: string;
  readonly command: string;
  readonly args: readonly string[];
  /** The whole environment of the child, as in `spawn`; this process's own unless given. */
  readonly env?: NodeJS.ProcessEnv;
  readonly logger: Logger;
  readonly clock: Clock;
  readonly random: Random;
  /** Each line the child writes on standard output; logged at debug level when not given. */
  readonly onMessage?: (line: string) => void;
}

/**
 * A child process that is started again whenever it ends, until `stop`.
 *
 * States: stopped → running → waiting → running … → stopping → stopped. In `running` there is a child; in `waiting` a
 * timer (0.5–30 s, doubling, half of it jittered); in `stopping` the child has SIGTERM and, after 5 s, SIGKILL.
 * The child's standard input stays open as long as this process lives: see `exitWithParent`.
 */
export class SupervisedProcess implements Component {
  readonly name: string;
  readonly #options: SupervisedProcessOptions;
  #child: ChildProcess | undefined;
  #exited: Promise<void> = Promise.resolve();
  #waiting: Timer | undefined;
  #running = false;
  #failures = 0;
  #restarts = 0;

  constructor(options: SupervisedProcessOptions) {
    this.name = options.name;
    this.#options = options;
  }

  get pid(): number | undefined {
    return this.#child?.pid;
  }

  /** Times the child was started again since `start`. */
  get restarts(): number {
    return this.#restarts;
  }

  async start(): Promise<void> {
    if (this.#running) return;
    this.#running = true;
    this.#launch();
  }

  async stop(): Promise<void> {
    this.#running = false;
    this.#waiting?.cancel();
    const child = this.#child;
    if (child === undefined) return;
    child.kill('SIGTERM');
    const kill = this.#options.clock.after(KILL_AFTER_MS, () => child.kill('SIGKILL'));
    await this.#exited;
    kill.cancel();
  }

  #launch(): void {
    const { command, args, env, clock, logger } = this.#options;
    const startedAt = clock.monotonic();
    const child = spawn(command, args, { env: env ?? process.env, stdio: ['pipe', 'pipe', 'pipe'] });
    this.#child = child;
    child.stdin.on('error', () => {}); // the child closed its end
    this.#readLines(child.stdout, (line) => this.#message(line));
    this.#readLines(child.stderr, (line) => logger.warn({ process: this.name, line }, 'child wrote on standard error'));
    this.#exited = new Promise((resolve) => {
      const ended = (fields: object) => {
        if (this.#child !== child) return;
        this.#child = undefined;
        resolve();
        this.#ended(fields, clock.monotonic() - startedAt);
      };
      child.once('error', (error) => ended({ error }));
      child.once('exit', (code, signal) => ended({ code, signal }));
    });
  }

  #ended(fields: object, livedMs: number): void {
    if (!this.#running) return;
    const { clock, random, logger } = this.#options;
    this.#failures = livedMs >= HEALTHY_AFTER_MS ? 0 : this.#failures;
    const full = Math.min(FIRST_WAIT_MS * 2 ** this.#failures++, LONGEST_WAIT_MS);
    const waitMs = Math.max(FIRST_WAIT_MS, Math.round(full / 2 + (random.fraction() * full) / 2));
    logger.warn({ process: this.name, ...fields, waitMs }, 'child ended, will be started again');
    this.#waiting = clock.after(waitMs, () => {
      if (!this.#running) return;
      this.#restarts++;
      this.#launch();
    });
  }

  #message(line: string): void {
    if (this.#options.onMessage) this.#options.onMessage(line);
    else this.#options.logger.debug({ process: this.name, line }, 'child wrote on standard output');
  }

  #readLines(stream: Readable, take: (line: string) => void): void {
    createInterface({ input: stream }).on('line', take);
  }
}

/** Called by a child of `SupervisedProcess`: ends this process when the one that started it is gone, even by kill -9. */
export function exitWithParent(end: () => void = () => process.exit(0)): void {
  process.stdin.on('end', end).on('error', end).resume();
  (process.stdin as { unref?(): void }).unref?.();
}
