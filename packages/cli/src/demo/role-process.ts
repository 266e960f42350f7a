import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync, mkdirSync, openSync, readFileSync, renameSync, rmSync } from 'node:fs';
import { dirname, extname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { BackhaulError, type Clock, ERRORS, type ErrorCode } from '@backhaul/runtime';
import { z } from 'zod';
import type { Role } from '../start-role.ts';

const START_LIMIT_MS = 45_000;
/** A role drains at most 30 s by itself. */
const STOP_LIMIT_MS = 35_000;
const LOOK_EVERY_MS = 40;
const CHILD = join(dirname(fileURLToPath(import.meta.url)), `role-child${extname(fileURLToPath(import.meta.url))}`);

const runtimeShape = z.looseObject({
  pid: z.int(),
  admin: z.string(),
  listeners: z.looseObject({
    relay: z.string().optional(),
    staff: z.string().optional(),
    enrol: z.string().optional(),
    integrator: z.string().optional(),
  }),
});
export type RuntimeFile = z.infer<typeof runtimeShape>;

/** How a role says at the end of its log why it did not start. */
const refusalShape = z.looseObject({
  code: z.string().refine((code): code is ErrorCode => Object.hasOwn(ERRORS, code)),
  message: z.string(),
});

export interface RoleProcessOptions {
  /** for people and for the log: `proxy-1` */
  readonly name: string;
  readonly role: Role;
  readonly configFile: string;
  readonly dataDirectory: string;
  readonly logFile: string;
  readonly env: NodeJS.ProcessEnv;
  readonly clock: Clock;
}

/**
 * A role as a child process in a group of its own, so that Ctrl-C reaches only the demo, which then stops the roles in
 * order. States: new → starting → running → stopped. After `stop` nobody of the group is left.
 */
export class RoleProcess {
  readonly name: string;
  readonly #options: RoleProcessOptions;
  #child: ChildProcess | undefined;
  #exited: Promise<void> = Promise.resolve();
  #end: string | undefined;
  #stopping = false;

  constructor(options: RoleProcessOptions) {
    this.name = options.name;
    this.#options = options;
  }

  get pid(): number | undefined {
    return this.#child?.pid;
  }

  /** Resolves when the process has ended, whoever ended it. */
  get exited(): Promise<void> {
    return this.#exited;
  }

  /** Set when the process ended without having been told to: `exit code 1`. */
  get unexpectedEnd(): string | undefined {
    return this.#stopping ? undefined : this.#end;
  }

  /**
   * Resolves when the role has written its `runtime.json`. Throws when it ends or takes too long: with the code and the
   * sentence of its last line, else BH-E-INTERNAL.
   */
  async start(): Promise<RuntimeFile> {
    const { clock, dataDirectory } = this.#options;
    rmSync(join(dataDirectory, 'runtime.json'), { force: true });
    this.#launch();
    const end = clock.monotonic() + START_LIMIT_MS;
    while (clock.monotonic() < end) {
      if (this.#end !== undefined) throw this.#failure(`ended with ${this.#end}`);
      const runtime = this.#readRuntime();
      if (runtime !== undefined) return runtime;
      await clock.sleep(LOOK_EVERY_MS);
    }
    throw this.#failure(`was not ready after ${START_LIMIT_MS / 1000} s`);
  }

  async stop(): Promise<void> {
    const child = this.#child;
    if (child?.pid === undefined) return;
    this.#stopping = true;
    child.kill('SIGTERM');
    const limit = new AbortController();
    await Promise.race([this.#exited, this.#options.clock.sleep(STOP_LIMIT_MS, limit.signal)]);
    limit.abort();
    this.kill();
    await this.#exited;
  }

  /** Ends the process and whatever it has started, at once. */
  kill(): void {
    this.#stopping = true;
    const pid = this.#child?.pid;
    if (pid === undefined) return;
    try {
      process.kill(-pid, 'SIGKILL');
    } catch {
      // nobody of the group is left
    }
  }

  #launch(): void {
    const { role, configFile, env } = this.#options;
    const log = this.#openLog();
    try {
      const child = spawn(process.execPath, [...process.execArgv, CHILD, role, configFile], {
        env,
        detached: true,
        stdio: ['ignore', log, log, 'ipc'],
      });
      this.#child = child;
      this.#exited = new Promise((resolve) => {
        child.once('error', (error) => resolve(this.#ended(error.message)));
        child.once('exit', (code, signal) => resolve(this.#ended(signal === null ? `exit code ${code}` : signal)));
      });
      child.channel?.unref();
    } finally {
      closeSync(log);
    }
  }

  #ended(how: string): void {
    this.#end ??= how;
  }

  /** The log of the last run is kept beside the new one. */
  #openLog(): number {
    const { logFile } = this.#options;
    mkdirSync(dirname(logFile), { recursive: true });
    try {
      renameSync(logFile, `${logFile}.1`);
    } catch {
      // the first run
    }
    return openSync(logFile, 'a', 0o600);
  }

  #readRuntime(): RuntimeFile | undefined {
    try {
      const runtime = runtimeShape.parse(
        JSON.parse(readFileSync(join(this.#options.dataDirectory, 'runtime.json'), 'utf8')),
      );
      return runtime.pid === this.#child?.pid ? runtime : undefined;
    } catch {
      return undefined;
    }
  }

  #failure(what: string): BackhaulError {
    const { logFile } = this.#options;
    const last = lastLine(logFile);
    const refusal = refusalShape.safeParse(parsed(last)).data;
    return new BackhaulError(refusal?.code ?? 'BH-E-INTERNAL', {
      detail: `${this.name} ${what}; its log is ${logFile}; last line: ${refusal?.message ?? last}`,
    });
  }
}

function parsed(line: string): unknown {
  try {
    return JSON.parse(line);
  } catch {
    return undefined;
  }
}

function lastLine(file: string): string {
  try {
    return readFileSync(file, 'utf8').trimEnd().split('\n').at(-1) || '(empty)';
  } catch {
    return '(no log)';
  }
}
