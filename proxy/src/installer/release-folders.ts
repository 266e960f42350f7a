import { randomBytes } from 'node:crypto';
import { mkdir, readdir, readlink, rename, rm, stat, symlink } from 'node:fs/promises';
import { join } from 'node:path';
import { syncDirectory } from '@backhaul/runtime';

const UNFINISHED = '.unpack-';
/** releases kept of one package, the current one among them */
const KEPT = 3;

/**
 * Folders of one package: `<root>/<name>/releases/<sha256>/` and the link `<root>/<name>/current` to one of them.
 * A folder under `releases` with a hash as its name is complete and synced: it got the name by a rename after everything in it was.
 */
export class ReleaseFolders {
  readonly #root: string;
  readonly #name: string;

  constructor(root: string, name: string) {
    this.#root = root;
    this.#name = name;
  }

  get #folder(): string {
    return join(this.#root, this.#name);
  }

  get #releases(): string {
    return join(this.#folder, 'releases');
  }

  release(sha256: string): string {
    return join(this.#releases, sha256);
  }

  async isComplete(sha256: string): Promise<boolean> {
    return (await stat(this.release(sha256)).catch(() => undefined))?.isDirectory() ?? false;
  }

  /** A path for a fresh folder beside the releases; what a crash left behind is removed first. */
  async unfinished(sha256: string): Promise<string> {
    await mkdir(this.#releases, { recursive: true, mode: 0o755 });
    for (const name of await readdir(this.#releases)) {
      if (name.startsWith(UNFINISHED)) await rm(join(this.#releases, name), { recursive: true, force: true });
    }
    return join(this.#releases, `${UNFINISHED}${sha256}`);
  }

  async complete(unfinished: string, sha256: string): Promise<void> {
    await rename(unfinished, this.release(sha256));
    await syncDirectory(this.#releases);
  }

  /** Whoever follows `current` sees the old release or the new one, never none: a new link is renamed over the old. */
  async switchTo(sha256: string): Promise<void> {
    if ((await this.current()) === sha256) return;
    const link = join(this.#folder, `.current-${randomBytes(6).toString('hex')}`);
    await symlink(join('releases', sha256), link);
    await rename(link, join(this.#folder, 'current'));
    await syncDirectory(this.#folder);
  }

  async current(): Promise<string | undefined> {
    const target = await readlink(join(this.#folder, 'current')).catch(() => undefined);
    return target?.split('/').at(-1);
  }

  /** Removes the oldest releases beyond the number kept; never the current one. */
  async prune(): Promise<void> {
    const current = await this.current();
    const names = (await readdir(this.#releases)).filter((name) => /^[0-9a-f]{64}$/.test(name) && name !== current);
    const aged = await Promise.all(names.map(async (name) => ({ name, at: (await stat(this.release(name))).mtimeMs })));
    const old = aged.toSorted((a, b) => b.at - a.at).slice(KEPT - 1);
    for (const { name } of old) await rm(this.release(name), { recursive: true, force: true });
  }
}
