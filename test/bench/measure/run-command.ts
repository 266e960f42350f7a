import { spawn } from 'node:child_process';
import { once } from 'node:events';

const WITHIN_MS = 600_000;

/** Runs an installed program to its end; throws with what it said when it fails. */
export async function runCommand(program: string, words: readonly string[]): Promise<void> {
  const child = spawn(program, words, {
    stdio: ['ignore', 'ignore', 'pipe'],
    timeout: WITHIN_MS,
    killSignal: 'SIGKILL',
  });
  let said = '';
  child.stderr.on('data', (text) => (said += text));
  const [code] = await once(child, 'close');
  if (code !== 0) throw new Error(`${program} ended with ${code}: ${said.slice(-500)}`);
}
