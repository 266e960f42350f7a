import type { Writable } from 'node:stream';
import type { Clock, Random } from '@backhaul/runtime';

export interface Terminal extends Writable {
  readonly isTTY?: boolean;
  readonly columns?: number;
}

/** What a verb may touch of the world; tests give their own. */
export interface CliContext {
  readonly env: NodeJS.ProcessEnv;
  readonly directory: string;
  readonly stdin: NodeJS.ReadableStream & { readonly isTTY?: boolean };
  readonly stdout: Terminal;
  readonly stderr: Terminal;
  readonly clock: Clock;
  readonly random: Random;
}

/** Columns of the terminal, or undefined when standard output is a file or a pipe (then nothing is cut). */
export function widthOf(terminal: Terminal): number | undefined {
  return terminal.isTTY ? terminal.columns : undefined;
}
