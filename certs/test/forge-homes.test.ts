import { readdirSync, readFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import { expect } from 'chai';

const tree = join(import.meta.dirname, '..', '..');
const HOMES = ['certs/src/build-certificate.ts', 'packages/identity/src/certificate-request.ts'];
/** What forge would verify or decide with; all of that is OpenSSL's here. */
const VERIFYING =
  /\.(verify|verifyCertificateChain|createCaStore|decrypt|privateKeyFromPem|generateKeyPair|rsa|ed25519|pkcs7|tls)\b/;

function sources(folder: string): string[] {
  return readdirSync(join(tree, folder), { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.ts') && /(^|\/)src\//.test(name) && !/node_modules|\/dist\/|\.d\.ts$/.test(name))
    .map((name) => join(folder, name));
}

describe('node-forge', () => {
  const all = ['packages', 'proxy', 'mlm', 'appserver', 'certs'].flatMap(sources);

  it('T-A26: is imported where certificates and requests are built, and nowhere else', () => {
    const users = all.filter((file) => /from 'node-forge'/.test(readFileSync(join(tree, file), 'utf8')));
    expect(users.map((file) => relative(tree, join(tree, file))).toSorted()).to.deep.equal(HOMES);
  });

  it('T-A26: never verifies, decrypts or holds a private key', () => {
    for (const file of HOMES) {
      const uses = readFileSync(join(tree, file), 'utf8').match(/forge[A-Za-z]*(\.[A-Za-z0-9]+)+/g) ?? [];
      expect(uses.length, file).to.be.greaterThan(0);
      for (const use of uses) expect(use, file).not.to.match(VERIFYING);
    }
  });
});
