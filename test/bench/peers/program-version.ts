import { spawnSync } from 'node:child_process';

/** What a program says of itself, by the first match; `?` when it says nothing of the kind. */
export function programVersion(command: string, words: readonly string[], pattern = /(\d+\.\d+\.\d+)/): string {
  const { stdout, stderr } = spawnSync(command, [...words], { encoding: 'utf8' });
  return pattern.exec(`${stdout ?? ''}${stderr ?? ''}`)?.[1] ?? '?';
}
