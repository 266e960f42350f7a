import { expect } from 'chai';
import { importsOf, PACKAGES, PROGRAMS, sourceFiles } from './source-files.ts';

/** Who may import whom [DESIGN §9]. */
const ALLOWED: Record<string, readonly string[]> = {
  runtime: [],
  envelope: ['runtime'],
  identity: ['runtime'],
  spool: ['runtime'],
  modules: ['runtime', 'envelope'],
  transport: ['runtime', 'envelope', 'identity', 'spool'],
  testkit: ['runtime', 'envelope', 'identity', 'spool', 'transport', 'modules', 'certs'],
  proxy: ['runtime', 'envelope', 'identity', 'spool', 'transport', 'modules'],
  mlm: ['runtime', 'envelope', 'identity', 'spool', 'transport', 'modules'],
  appserver: ['runtime', 'envelope', 'identity', 'spool', 'transport', 'modules'],
  certs: ['runtime', 'identity', 'transport'],
  cli: ['runtime', 'envelope', 'identity', 'spool', 'transport', 'modules', ...PROGRAMS],
};

/** Each outside library has its named homes: one, or more with a reason. */
const HOMES: Record<string, readonly string[]> = {
  pino: ['runtime'],
  'pino-pretty': ['runtime'],
  'prom-client': ['runtime'],
  yaml: ['runtime', 'cli'], // the cli writes the configurations that runtime reads
  zod: ['runtime', 'envelope', 'identity', 'transport', 'modules', 'cli', ...PROGRAMS], // schemas stand beside what they describe
  'fast-xml-parser': ['envelope'],
  'node-forge': ['identity', 'certs'], // the CSR where the key is made; the certificate where it is signed
  level: ['spool'],
  'classic-level': ['spool'],
  'memory-level': ['spool'],
  'abstract-level': ['spool'],
  undici: ['transport', 'cli', 'proxy', 'appserver'], // hop to hop; the staff API's client; integrators; the registrar's client and webhooks
  nodemailer: ['appserver'],
  'p-queue': ['transport'],
  express: ['transport', 'proxy', 'appserver', 'certs'], // every HTTP API but the envelope route
  busboy: ['appserver'],
  kysely: ['appserver'],
  'zod-openapi': ['appserver'],
  helmet: ['appserver'],
  'rate-limiter-flexible': ['appserver', 'certs'],
  semver: ['proxy', 'appserver'],
  'tar-stream': ['proxy', 'cli'], // unpacked by the installer; packed by the demo
  commander: ['cli'],
  mocha: ['spool'], // the contract suites that it exports
  chai: ['spool'],
};

describe('Imports', () => {
  const files = sourceFiles();

  it('finds the sources', () => {
    expect(new Set(files.map((file) => file.part))).to.include.members([...PACKAGES, ...PROGRAMS]);
  });

  it('go only where the layout allows', () => {
    const wrong = files.flatMap((file) =>
      importsOf(file.text)
        .filter((specifier) => specifier.startsWith('@backhaul/'))
        .map((specifier) => specifier.split('/')[1]!)
        .filter((part) => part !== file.part && !ALLOWED[file.part]!.includes(part))
        .map((part) => `${file.path} imports ${part}`),
    );
    expect(wrong).to.deep.equal([]);
  });

  it('of outside libraries stand in their named homes', () => {
    const wrong = files.flatMap((file) =>
      importsOf(file.text)
        .filter((specifier) => !/^(\.|node:|@backhaul\/)/.test(specifier))
        .map((specifier) =>
          specifier
            .split('/')
            .slice(0, specifier.startsWith('@') ? 2 : 1)
            .join('/'),
        )
        .filter((library) => !(HOMES[library] ?? []).includes(file.part))
        .map((library) => `${file.path} imports ${library}`),
    );
    expect(wrong).to.deep.equal([]);
  });

  it('never leave a folder by a relative path', () => {
    const wrong = files.flatMap((file) => {
      const depth = file.path.split('/').length - (file.path.startsWith('packages/') ? 4 : 3);
      return importsOf(file.text)
        .filter((specifier) => specifier.startsWith('..') && (specifier.match(/\.\.\//g)?.length ?? 0) > depth)
        .map((specifier) => `${file.path} imports ${specifier}`);
    });
    expect(wrong).to.deep.equal([]);
  });
});
