import { loadConfig } from '@backhaul/runtime';
import { expect } from 'chai';
import { mlmConfig } from '../src/index.ts';
import { selfIdentity } from '../src/self-identity.ts';
import { CUSTOMER, MLM, P1, PARENT } from './test-mlm.ts';

const least = { dataDirectory: '/nowhere', parents: [{ id: PARENT, url: 'https://127.0.0.1:7443' }] };
const load = (overrides: object, env: NodeJS.ProcessEnv = {}) =>
  loadConfig(mlmConfig, { env, overrides: { ...least, ...overrides } });
const plain = { relay: { plain: true }, parents: [{ id: PARENT, url: 'http://127.0.0.1:7443' }] };

describe('configuration of an MLM', () => {
  it('needs a folder and a parent; the rest has defaults', () => {
    const config = load({});
    expect(config).to.have.nested.property('relay.port', 7444);
    expect(config.modules).to.deep.equal([]);
    expect(Object.isFrozen(config)).to.equal(true);
  });

  it('takes the modules of the demo', () => {
    const modules = [
      { use: 'filter', rules: [{ name: 'interfaces', class: 'performance', subclass: 'interface' }] },
      { use: 'aggregate', rules: [{ class: 'performance', subclass: 'sample', count: 5, windowMs: 10_000 }] },
      { use: 'throttle', rules: [{ class: 'performance', messagesPerSecond: 20 }], maxTransferBytes: 1_000_000_000 },
    ];
    expect(load({ modules }).modules.map(({ use }) => use)).to.deep.equal(['filter', 'aggregate', 'throttle']);
  });

  const refused: [string, object, string][] = [
    ['an unknown key', { relay: { prot: 1 } }, 'relay.prot'],
    ['custody that is no choice', { custody: { default: 'keep' } }, 'custody.default'],
    ['an unknown module', { modules: [{ use: 'compress' }] }, 'modules[0]'],
    ['a wrong key of a module', { modules: [{ use: 'throttle', maxTransfer: 1 }] }, 'maxTransfer'],
    ['a parent that is no URL', { parents: [{ id: PARENT, url: 'somewhere' }] }, 'parents[0].url'],
  ];
  for (const [what, overrides, where] of refused) {
    it(`refuses ${what} by its path`, () => {
      expect(() => load(overrides))
        .to.throw('BH-E-CONFIG')
        .with.property('detail')
        .that.includes(where);
    });
  }

  it('environment overrides reach every section', () => {
    expect(load({}, { BACKHAUL_RELAY__PORT: '0', BACKHAUL_SPOOL__MAXBYTES: '1000' })).to.deep.include({
      spool: { ...load({}).spool, maxBytes: 1000 },
    });
  });

  it('without TLS the configuration says who it is; with TLS the certificate must be there', () => {
    const identity = { customer: CUSTOMER, id: MLM };
    expect(selfIdentity(load({ ...plain, identity })).identity.id).to.equal(MLM);
    expect(() => selfIdentity(load(plain))).to.throw('BH-E-CONFIG');
    expect(() => selfIdentity(load({ ...plain, identity: { customer: CUSTOMER, id: P1 } }))).to.throw('BH-E-ID-KIND');
    expect(() => selfIdentity(load({}))).to.throw('BH-E-ID-MISSING');
  });
});
