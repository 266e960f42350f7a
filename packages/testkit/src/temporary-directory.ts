import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

export interface TemporaryDirectory extends AsyncDisposable {
  readonly path: string;
  /** Works twice. */
  remove(): Promise<void>;
}

/** A fresh folder that goes with its test: `await using folder = await temporaryDirectory()`, or `remove()` in a hook. */
export async function temporaryDirectory(prefix = 'backhaul-'): Promise<TemporaryDirectory> {
  const path = await mkdtemp(join(tmpdir(), prefix));
  const remove = (): Promise<void> => rm(path, { recursive: true, force: true });
  return { path, remove, [Symbol.asyncDispose]: remove };
}
