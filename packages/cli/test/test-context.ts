import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable, Writable } from 'node:stream';
import { systemClock, systemRandom } from '@backhaul/runtime';
import type { CliContext } from '../src/cli-context.ts';
import { runCli } from '../src/main.ts';
import type { Verb } from '../src/verb.ts';

export interface Outcome {
  readonly exitCode: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs one command line in a folder of its own, without the environment of this process. */
export async function runIn(
  directory: string,
  argv: readonly string[],
  more: { env?: NodeJS.ProcessEnv; stdin?: string; verbs?: readonly Verb[] } = {},
): Promise<Outcome> {
  const stdout = new Collected();
  const stderr = new Collected();
  const cli: CliContext = {
    env: { HOME: directory, ...more.env },
    directory,
    stdin: Readable.from([more.stdin ?? '']),
    stdout,
    stderr,
    clock: systemClock,
    random: systemRandom,
  };
  const exitCode = await runCli(argv, cli, more.verbs);
  return { exitCode, stdout: stdout.text, stderr: stderr.text };
}

class Collected extends Writable {
  text = '';

  override _write(chunk: Buffer | string, _encoding: string, done: () => void): void {
    this.text += chunk.toString();
    done();
  }
}

/** A folder that is gone after the test. */
export function temporaryFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'backhaul-cli-'));
  folders.push(folder);
  return folder;
}

const folders: string[] = [];

export function removeTemporaryFolders(): void {
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true, force: true });
}
