import { BackhaulError, readJson, writeFileAtomic } from '@backhaul/runtime';
import semver from 'semver';
import { z } from 'zod';

const floorsSchema = z.strictObject({ versions: z.record(z.string(), z.string()) });

/** The lowest version of each package that may still be installed: the highest that ever was. Persisted before the switch. */
export class Floors {
  readonly #path: string;
  #versions = new Map<string, string>();

  constructor(path: string) {
    this.#path = path;
  }

  /** A missing file is a first start; an unreadable one is refused, since without floors a rollback would pass. */
  async load(): Promise<void> {
    try {
      const { versions } = await readJson(this.#path, floorsSchema);
      this.#versions = new Map(Object.entries(versions));
    } catch (error) {
      if (!(error instanceof BackhaulError && error.code === 'BH-E-NOT-FOUND')) throw error;
    }
  }

  of(name: string): string | undefined {
    return this.#versions.get(name);
  }

  isBelow(name: string, version: string): boolean {
    const floor = this.#versions.get(name);
    return floor !== undefined && semver.lt(version, floor);
  }

  /** Never lowers, except on a downgrade that the policy allowed. Resolves when it is on disk. */
  async set(name: string, version: string): Promise<void> {
    const next = new Map(this.#versions).set(name, version);
    await writeFileAtomic(this.#path, `${JSON.stringify({ versions: Object.fromEntries(next) }, null, 2)}\n`, 0o600);
    this.#versions = next;
  }
}
