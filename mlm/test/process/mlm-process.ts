import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Membership } from '@backhaul/envelope';
import { identityDirectory, type TlsMaterial } from '@backhaul/identity';
import { freePort, type TemporaryDirectory, temporaryDirectory, until } from '@backhaul/testkit';
import { MLM, membership, TRUST_DOMAIN } from '../test-mlm.ts';

const ENTRY = fileURLToPath(new URL('run.ts', import.meta.url));

export interface MlmProcessOptions {
  readonly parents: readonly { id: string; url: string }[];
  readonly tls: TlsMaterial | 'plain';
  readonly modules?: readonly unknown[];
  readonly membership?: Membership;
  readonly config?: object;
}

/** A real MLM in a process of its own, with its folder; it can be killed and started again. */
export class MlmProcess {
  readonly #options: MlmProcessOptions;
  readonly #folder: TemporaryDirectory;
  readonly #port: number;
  #child: ChildProcess | undefined;
  #log = '';

  private constructor(options: MlmProcessOptions, folder: TemporaryDirectory, port: number) {
    this.#options = options;
    this.#folder = folder;
    this.#port = port;
  }

  static async start(options: MlmProcessOptions): Promise<MlmProcess> {
    const mlm = new MlmProcess(options, await temporaryDirectory('backhaul-mlm-'), await freePort());
    mlm.#write();
    await mlm.start();
    return mlm;
  }

  get data(): string {
    return join(this.#folder.path, 'data');
  }

  get url(): string {
    return `${this.#options.tls === 'plain' ? 'http' : 'https'}://127.0.0.1:${this.#port}`;
  }

  get admin(): string {
    return JSON.parse(readFileSync(this.#runtime, 'utf8')).admin;
  }

  get log(): string {
    return this.#log;
  }

  async start(): Promise<void> {
    rmSync(this.#runtime, { force: true });
    const args = ['--conditions=backhaul-source', ENTRY, join(this.#folder.path, 'mlm.yaml')];
    const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'pipe'] });
    this.#child = child;
    for (const stream of [child.stdout, child.stderr]) stream?.on('data', (text) => (this.#log += String(text)));
    await until(
      `the MLM has started; it says ${this.#log.slice(-2000)}`,
      () => {
        if (child.exitCode !== null) throw new Error(`the MLM ended: ${this.#log.slice(-4000)}`);
        return existsSync(this.#runtime);
      },
      15_000,
    );
  }

  async kill(): Promise<void> {
    await this.#end('SIGKILL');
  }

  /** Asks it to end, and gives its exit code. */
  async terminate(): Promise<number | null> {
    return this.#end('SIGTERM');
  }

  async remove(): Promise<void> {
    await this.kill();
    await this.#folder.remove();
  }

  async #end(signal: 'SIGKILL' | 'SIGTERM'): Promise<number | null> {
    const child = this.#child;
    this.#child = undefined;
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return child?.exitCode ?? null;
    const ended = new Promise<number | null>((resolve) => child.once('close', (code) => resolve(code)));
    child.kill(signal);
    return ended;
  }

  get #runtime(): string {
    return join(this.data, 'runtime.json');
  }

  #write(): void {
    const { tls, parents, modules, config } = this.#options;
    mkdirSync(identityDirectory(this.data), { recursive: true });
    if (tls !== 'plain') {
      writeFileSync(join(identityDirectory(this.data), 'key.pem'), tls.key);
      writeFileSync(join(identityDirectory(this.data), 'certificate.pem'), tls.cert);
      writeFileSync(join(identityDirectory(this.data), 'roots.pem'), tls.ca);
    }
    writeFileSync(join(this.data, 'membership.json'), JSON.stringify(this.#options.membership ?? membership()));
    const settings = {
      dataDirectory: this.data,
      trustDomain: TRUST_DOMAIN,
      ...(tls === 'plain' ? { identity: { customer: MLM.split('.')[0], id: MLM } } : {}),
      parents,
      relay: { host: '127.0.0.1', port: this.#port, plain: tls === 'plain' },
      modules: modules ?? [],
      spool: { ballastBytes: 0 },
      transfers: { minFreeBytes: 0 },
      log: { format: 'json', level: 'info' },
      ...config,
    };
    writeFileSync(join(this.#folder.path, 'mlm.yaml'), JSON.stringify(settings));
  }
}
