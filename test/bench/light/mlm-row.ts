import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type TemporaryDirectory, temporaryDirectory } from '@backhaul/testkit';
import { BUILT, RoleProcess } from '../../fleet/role-process.ts';
import { CUSTOMER, membershipBelow, mlmId, PARENT, TRUST_DOMAIN } from './names.ts';

export interface MlmRowOptions {
  /** MLMs one below the other, one unless given */
  readonly tiers?: number;
  readonly proxies: number;
  /** what the uppermost hangs below */
  readonly parentUrl: string;
  readonly settings?: object;
}

/** Real MLMs, each its own process with its own store, one below the other, over plain HTTP. */
export class MlmRow {
  readonly #folder: TemporaryDirectory;
  /** the uppermost first */
  readonly mlms: RoleProcess[] = [];

  readonly #endWithUs = (): void => {
    for (const mlm of this.mlms) mlm.signal('SIGKILL');
  };

  private constructor(folder: TemporaryDirectory) {
    this.#folder = folder;
    process.once('exit', this.#endWithUs);
  }

  static async start({ tiers = 1, proxies, parentUrl, settings }: MlmRowOptions): Promise<MlmRow> {
    const row = new MlmRow(await temporaryDirectory('bh-bench-'));
    try {
      for (let tier = 0; tier < tiers; tier += 1) {
        const parent = tier === 0 ? { id: PARENT, url: parentUrl } : { id: mlmId(tier - 1), url: row.lowestUrl };
        const membership = membershipBelow(tier, tiers, proxies);
        await row.#add(mlmId(tier), membership, { parents: [parent], ...settings });
      }
      return row;
    } catch (error) {
      await row.stop();
      throw error;
    }
  }

  get lowest(): RoleProcess {
    return this.mlms.at(-1)!;
  }

  /** Where proxies send to. */
  get lowestUrl(): string {
    return this.lowest.runtime!.listeners.relay!;
  }

  get pids(): number[] {
    return this.mlms.map(({ pid }) => pid);
  }

  async stop(): Promise<void> {
    process.off('exit', this.#endWithUs);
    for (const mlm of this.mlms.toReversed()) await mlm.kill();
    await this.#folder.remove();
  }

  async #add(id: string, membership: object, settings: object): Promise<void> {
    const home = join(this.#folder.path, id);
    await mkdir(home);
    await writeFile(join(home, 'membership.json'), JSON.stringify(membership));
    const plain = { trustDomain: TRUST_DOMAIN, identity: { customer: CUSTOMER, id } };
    const relay = { host: '127.0.0.1', port: 0, plain: true };
    const mlm = new RoleProcess(id, 'mlm', home, { ...plain, relay, ...settings }, { launch: BUILT });
    this.mlms.push(mlm);
    await mlm.start();
  }
}
