import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { identityOf, type TlsMaterial, uriSan } from '@backhaul/identity';

export interface LeafOptions {
  /** URI names instead of the one of the identity */
  readonly uris?: readonly string[];
  readonly days?: number;
  /** `clientAuth`, `serverAuth`, or both (the default) */
  readonly purposes?: string;
}

/**
 * A throwaway certificate authority made with the `openssl` program, and certificates for components below it.
 * Keys are EC: made in a few milliseconds.
 */
export class TlsFixtures {
  readonly trustDomain: string;
  readonly roots: string;
  readonly #directory: string;
  readonly #made = new Map<string, TlsMaterial>();

  constructor(trustDomain = 'test.example') {
    this.trustDomain = trustDomain;
    this.#directory = mkdtempSync(join(tmpdir(), 'backhaul-tls-'));
    const ca = ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-days', '2'];
    const names = ['-subj', '/CN=throwaway', '-addext', 'keyUsage=critical,keyCertSign,cRLSign'];
    this.#openssl([...ca, ...names, '-keyout', 'ca.key', '-out', 'ca.pem']);
    this.roots = this.#read('ca.pem');
  }

  /** Key and certificate of a component; made once per ID unless options are given. */
  component(id: string, options?: LeafOptions): TlsMaterial {
    const known = options === undefined ? this.#made.get(id) : undefined;
    if (known) return known;
    const uris = options?.uris ?? [uriSan(identityOf(id, this.trustDomain))];
    const material = this.#issue(uris, options ?? {});
    if (options === undefined) this.#made.set(id, material);
    return material;
  }

  remove(): void {
    rmSync(this.#directory, { recursive: true, force: true });
  }

  #issue(uris: readonly string[], { days = 1, purposes = 'clientAuth,serverAuth' }: LeafOptions): TlsMaterial {
    const key = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-keyout', 'leaf.key'];
    this.#openssl(['req', '-new', ...key, '-subj', '/CN=component', '-out', 'leaf.csr']);
    const names = [...uris.map((uri) => `URI:${uri}`), 'DNS:localhost', 'IP:127.0.0.1'].join(',');
    const extensions = [
      'basicConstraints=critical,CA:FALSE',
      `extendedKeyUsage=${purposes}`,
      'keyUsage=critical,digitalSignature',
      `subjectAltName=${names}`,
    ];
    writeFileSync(join(this.#directory, 'leaf.ext'), `${extensions.join('\n')}\n`);
    const signer = ['-CA', 'ca.pem', '-CAkey', 'ca.key', '-CAcreateserial', '-extfile', 'leaf.ext'];
    this.#openssl(['x509', '-req', '-in', 'leaf.csr', ...signer, '-days', String(days), '-out', 'leaf.pem']);
    return { key: this.#read('leaf.key'), cert: this.#read('leaf.pem'), ca: this.roots };
  }

  #read(file: string): string {
    return readFileSync(join(this.#directory, file), 'utf8');
  }

  #openssl(args: readonly string[]): void {
    execFileSync('openssl', [...args], { cwd: this.#directory, stdio: ['ignore', 'ignore', 'pipe'] });
  }
}
