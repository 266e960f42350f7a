import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  type BackhaulError,
  commonConfig,
  configKeys,
  loadConfig,
  nearMatch,
  Secret,
  secretText,
} from '@backhaul/runtime';
import { expect } from 'chai';
import fc from 'fast-check';
import { z } from 'zod';

const schema = z.strictObject({
  ...commonConfig,
  parents: z.array(z.strictObject({ id: z.string().describe('Whose'), url: z.url() })).default([]),
  relay: z
    .strictObject({ port: z.int().min(0).max(65_535).default(7443).describe('Port'), host: z.string().default('::') })
    .prefault({}),
  rates: z.record(z.string(), z.strictObject({ perSecond: z.number() })).default({}),
  password: secretText.optional(),
  loose: z.looseObject({ use: z.string() }).optional(),
  module: z
    .discriminatedUnion('kind', [
      z.strictObject({ kind: z.literal('a'), size: z.int() }),
      z.strictObject({ kind: z.literal('b'), rate: z.int() }),
    ])
    .optional(),
});

describe('configuration', () => {
  let folder: string;
  let file: string;
  before(() => {
    folder = mkdtempSync(join(tmpdir(), 'backhaul-config-'));
    file = join(folder, 'proxy.yaml');
  });
  after(() => rmSync(folder, { recursive: true }));

  const load = (yaml: string, env: NodeJS.ProcessEnv = {}, overrides?: object) => {
    writeFileSync(file, yaml);
    return loadConfig(schema, { file, env, ...(overrides ? { overrides } : {}) });
  };
  const refusal = (yaml: string, env: NodeJS.ProcessEnv = {}): string => {
    try {
      load(yaml, env);
    } catch (error) {
      expect((error as BackhaulError).code).to.equal('BH-E-CONFIG');
      return (error as BackhaulError).detail ?? '';
    }
    throw new Error('it was taken');
  };

  it('fills in defaults and freezes the result to its depth', () => {
    const config = load('dataDirectory: /d\nparents: [{id: a, url: "https://a"}]\n');
    expect(config.relay).to.deep.equal({ port: 7443, host: '::' });
    expect(config.log).to.deep.equal({ level: 'info', format: 'auto' });
    for (const part of [config, config.relay, config.parents, config.parents[0]]) expect(part).to.be.frozen;
  });

  it('names file, line and full path of an unknown key, with a near match', () => {
    expect(refusal('dataDirectory: /d\nparents:\n  - id: a\n    url: https://a\n    ulr: x\n')).to.equal(
      'proxy.yaml:5: parents[0].ulr is unknown; did you mean url?',
    );
    expect(refusal('dataDirectory: /d\nlog: {levle: info}\n')).to.equal(
      'proxy.yaml:2: log.levle is unknown; did you mean level?',
    );
    expect(refusal('dataDirectory: /d\nrates: {x: {perSecnd: 1, perSecond: 1}}\n')).to.match(
      /^proxy.yaml:2: rates.x.perSecnd is unknown; did you mean perSecond\?$/,
    );
    expect(refusal('dataDirectory: /d\nzzzzzz: 1\n')).to.equal('proxy.yaml:2: zzzzzz is unknown');
    expect(refusal('dataDirectory: /d\nmodule: {kind: b, rate: 1, sise: 2}\n')).to.match(/module.sise is unknown/);
  });

  it('leaves objects alone that are open', () => {
    expect(load('dataDirectory: /d\nloose: {use: x, anything: 1}\n').loose).to.deep.equal({ use: 'x', anything: 1 });
  });

  it('names every wrong value at once', () => {
    const detail = refusal('dataDirectory: /d\nrelay: {port: 70000}\nparents: [{id: 1, url: x}]\n');
    expect(detail)
      .to.match(/proxy.yaml:2: relay.port: /)
      .and.match(/proxy.yaml:3: parents\[0\].id: /)
      .and.match(/parents\[0\].url: /);
  });

  it('refuses what is not YAML, with the line', () => {
    expect(refusal('dataDirectory: [\n')).to.match(/^proxy.yaml:\d: not valid YAML/);
    expect(refusal('a: 1\na: 2\n')).to.match(/^proxy.yaml:2: not valid YAML/);
    expect(() => loadConfig(schema, { file: join(folder, 'none.yaml'), env: {} })).to.throw('cannot be read');
  });

  it('T-A34: refuses a file that grows when it is read', () => {
    const bomb = [
      'a: &a [x,x,x,x,x,x,x,x,x]',
      ...'bcdefghi'.split('').map((name, i) => `${name}: &${name} [${Array(9).fill(`*${'abcdefgh'[i]}`)}]`),
    ];
    expect(refusal(bomb.join('\n'))).to.match(/too many aliases/);
  });

  it('T-A3: a key named __proto__ is a key like others', () => {
    expect(refusal('dataDirectory: /d\n__proto__: {polluted: 1}\nconstructor: 1\n')).to.match(/__proto__|constructor/);
    expect(({} as { polluted?: unknown }).polluted).to.equal(undefined);
  });

  it('takes the environment over the file, and the command line over both', () => {
    const env = {
      BACKHAUL_LOG__LEVEL: 'debug',
      BACKHAUL_RELAY__PORT: '1234',
      BACKHAUL_DATA_DIRECTORY: '/env',
      BACKHAUL_DATADIRECTORY: '/env2',
      BACKHAUL_PARENTS__0__ID: '42',
      BACKHAUL_SOMETHING_ELSE: 'left alone',
    };
    const config = load('dataDirectory: /d\nparents: [{id: a, url: "https://a"}]\n', env, { relay: { port: 5 } });
    expect(config.log.level).to.equal('debug');
    expect(config.relay).to.deep.equal({ port: 5, host: '::' });
    expect(config.dataDirectory).to.equal('/env');
    expect(config.parents).to.deep.equal([{ id: '42', url: 'https://a' }]);
  });

  it('reads lists and objects from the environment as YAML, and leaves text as it is', () => {
    const env = {
      BACKHAUL_PARENTS: '[{id: x, url: "https://x"}]',
      BACKHAUL_LOG__FORMAT: 'json',
      BACKHAUL_PASSWORD: '12: [3',
    };
    const config = load('dataDirectory: /d\n', env);
    expect(config.parents).to.deep.equal([{ id: 'x', url: 'https://x' }]);
    expect(config.password?.reveal()).to.equal('12: [3');
  });

  it('refuses a variable that fits no key, by name and near match', () => {
    expect(refusal('dataDirectory: /d\n', { BACKHAUL_LOG__LEVLE: 'info' })).to.equal(
      'environment variable BACKHAUL_LOG__LEVLE: LEVLE fits no key; did you mean level?',
    );
    expect(refusal('dataDirectory: /d\n', { BACKHAUL_PARENTS: '[' })).to.match(/not YAML/);
  });

  it('puts variables and files into text values', () => {
    writeFileSync(join(folder, 'secret'), 'hush\n');
    const config = load(`dataDirectory: /d/\${env:WHO}\npassword: \${file:${join(folder, 'secret')}}\n`, { WHO: 'me' });
    expect(config.dataDirectory).to.equal('/d/me');
    expect(config.password?.reveal()).to.equal('hush');
    expect(refusal(`dataDirectory: \${env:NOT_SET}\n`)).to.match(
      /dataDirectory: the environment variable NOT_SET is not set/,
    );
    expect(refusal(`dataDirectory: \${file:/no/such}\n`)).to.match(/dataDirectory: \/no\/such cannot be read/);
  });

  it('T-A24: a secret does not show', () => {
    const config = load('dataDirectory: /d\npassword: hush\n');
    expect(config.password).to.be.instanceOf(Secret);
    expect(JSON.stringify(config)).to.contain('[secret]').and.not.contain('hush');
    expect(refusal('dataDirectory: 1\npassword: hush\n')).not.to.contain('hush');
  });

  it('lists every key for documentation', () => {
    const keys = new Map(configKeys(schema).map((key) => [key.key, key]));
    expect([...keys.keys()]).to.include.members([
      'dataDirectory',
      'log.level',
      'parents',
      'parents[].url',
      'relay.port',
      'rates',
      'rates.<name>.perSecond',
      'password',
      'module.size',
      'module.rate',
    ]);
    expect(keys.get('relay.port')).to.deep.equal({
      key: 'relay.port',
      type: 'number',
      default: 7443,
      required: false,
      description: 'Port',
    });
    expect(keys.get('module.kind')?.type).to.equal('a | b');
    expect(keys.get('dataDirectory')).to.include({ required: true, type: 'string' });
    expect(keys.get('log.level')?.type).to.equal('debug | info | warn | error');
    expect(keys.get('parents')?.type).to.equal('list of object');
    expect(keys.has('log')).to.equal(false);
  });
});

describe('near match', () => {
  it('finds what was meant, and nothing when nothing is near', () => {
    expect(nearMatch('ulr', ['url', 'id'])).to.equal('url');
    expect(nearMatch('PORT', ['port'])).to.equal('port');
    expect(nearMatch('completely', ['url', 'id'])).to.equal(undefined);
  });

  it('finds a name itself, always', () => {
    fc.assert(
      fc.property(fc.string({ minLength: 1 }), fc.array(fc.string()), (name, others) => {
        expect(nearMatch(name, [...others, name])?.toLowerCase()).to.equal(name.toLowerCase());
      }),
    );
  });
});
