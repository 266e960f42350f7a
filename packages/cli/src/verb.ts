import { BackhaulError } from '@backhaul/runtime';
import type { CliContext } from './cli-context.ts';
import type { ApiClient } from './client.ts';
import { parseDuration } from './format.ts';

/** One verb of the command line, as data: the command tree, the help, the completion and the tests are made from it. */
export interface Verb {
  /** as typed: `customers add` */
  readonly path: string;
  readonly summary: string;
  /** more than a line, shown in the help */
  readonly description?: string;
  readonly arguments?: readonly (readonly [name: string, description: string])[];
  readonly options?: readonly (readonly [flags: string, description: string])[];
  readonly examples: readonly string[];
  /** speaks with an application server: adds `--url`, `--token-file`, `--roots` */
  readonly connects?: true;
  /** runs when its group is called without a verb: `backhaul components` */
  readonly groupDefault?: true;
  /** started by other programs; not shown in the help */
  readonly internal?: true;
  /** everything after the verb goes to `run` unread */
  readonly passThrough?: true;
  run(call: VerbCall): Promise<Result>;
}

export interface VerbCall {
  readonly cli: CliContext;
  readonly args: readonly string[];
  readonly options: VerbOptions;
  /** columns to print into; undefined: no limit */
  readonly width: number | undefined;
  api(): Promise<ApiClient>;
}

export interface Result {
  /** the one document of `--json`; undefined: the verb has printed by itself */
  readonly json?: unknown;
  readonly text?: string;
  /** 0 when left out */
  readonly exitCode?: number;
}

/** The options of one call, read by type. A wrong one is a usage error. */
export class VerbOptions {
  readonly #values: Readonly<Record<string, unknown>>;

  constructor(values: Readonly<Record<string, unknown>>) {
    this.#values = values;
  }

  flag(name: string): boolean {
    return this.#values[name] === true;
  }

  text(name: string): string | undefined {
    const value = this.#values[name];
    return typeof value === 'string' ? value : undefined;
  }

  list(name: string): readonly string[] {
    const value = this.#values[name];
    return Array.isArray(value) ? value.map(String) : typeof value === 'string' ? [value] : [];
  }

  required(name: string): string {
    const value = this.text(name);
    if (value === undefined || value === '') throw usage(`--${kebab(name)} is needed`);
    return value;
  }

  /** A whole number from `least` on. */
  number(name: string, least = 0): number | undefined {
    const value = this.text(name);
    if (value === undefined) return undefined;
    if (!/^\d{1,15}$/.test(value) || Number(value) < least)
      throw usage(`--${kebab(name)} must be a whole number of at least ${least}`);
    return Number(value);
  }

  /** `30s`, `5m`, `2h` … as milliseconds. */
  durationMs(name: string): number | undefined {
    const value = this.text(name);
    if (value === undefined) return undefined;
    const ms = parseDuration(value);
    if (ms === undefined) throw usage(`--${kebab(name)} must be a time such as 30s, 5m or 2h`);
    return ms;
  }
}

export function usage(detail: string): BackhaulError {
  return new BackhaulError('BH-E-USAGE', { detail });
}

function kebab(name: string): string {
  return name.replaceAll(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
}
