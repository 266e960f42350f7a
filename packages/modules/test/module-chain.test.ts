import { BackhaulError } from '@backhaul/runtime';
import { expect } from 'chai';
import { type LoadedModule, loadModules, type MidStreamModule, ModuleChain, PASS } from '../src/index.ts';
import { contextOf, handClock, json, messageOf } from './messages.ts';

const clock = handClock();

function loaded(module: Partial<MidStreamModule>, options: Partial<LoadedModule> = {}): LoadedModule {
  const whole: MidStreamModule = {
    name: 'own',
    subscriptions: [{ class: 'performance' }],
    start: async () => {},
    stop: async () => {},
    ...module,
  };
  return { module: whole, use: 'own', onFault: 'pass', maxFaults: 3, ...options };
}

const chainOf = (modules: LoadedModule[], onTakenOut?: (name: string) => void) =>
  new ModuleChain({ modules, context: contextOf(clock), ...(onTakenOut === undefined ? {} : { onTakenOut }) });

const throwing = {
  up: () => {
    throw new Error('broken');
  },
};

describe('module chain', () => {
  it('asks in the order of the configuration; the first that does not pass decides', () => {
    const asked: string[] = [];
    const up =
      (name: string, action = PASS) =>
      () => {
        asked.push(name);
        return action;
      };
    const chain = chainOf([
      loaded({ name: 'a', up: up('a') }),
      loaded({ name: 'b', up: up('b', { do: 'drop', rule: 'b/1' }) }),
      loaded({ name: 'c', up: up('c') }),
    ]);
    expect(chain.decide(messageOf({}, json({})))).to.deep.equal({ action: { do: 'drop', rule: 'b/1' }, module: 'b' });
    expect(asked).to.deep.equal(['a', 'b']);
  });

  it('does not ask a module about a class it did not subscribe to', () => {
    const chain = chainOf([loaded(throwing)]);
    const other = messageOf({ class: 'os-packages' }, json({}));
    expect(chain.wants(other.header)).to.equal(false);
    expect(chain.decide(other).action.do).to.equal('pass');
    expect(chain.status()[0]?.faults).to.equal(0);
  });

  it('a module that throws is isolated: the message takes the default, the next module is still asked', () => {
    const next = loaded({ name: 'next', up: () => ({ do: 'drop', rule: 'next/1' }) });
    expect(chainOf([loaded(throwing), next]).decide(messageOf({}, json({}))).module).to.equal('next');
    const strict = chainOf([loaded(throwing, { onFault: 'refuse' }), next]);
    expect(strict.decide(messageOf({}, json({}))).action).to.include({ do: 'refuse', code: 'BH-E-MODULE' });
  });

  it('is taken out after repeated faults, reported once, and not asked again', () => {
    const out: string[] = [];
    let asked = 0;
    const chain = chainOf(
      [
        loaded({
          up: () => {
            asked += 1;
            throw new Error('broken');
          },
        }),
      ],
      (name) => out.push(name),
    );
    for (let i = 0; i < 10; i++) chain.decide(messageOf({ id: `message-${i}` }, json({})));
    expect(asked).to.equal(3);
    expect(out).to.deep.equal(['own']);
    expect(chain.status()[0]).to.include({ state: 'taken-out', faults: 3, lastFault: 'Error: broken' });
  });

  it('a message that cannot be read takes the default, but no module out', () => {
    const up = () => {
      throw new BackhaulError('BH-E-XML-FORM');
    };
    const chain = chainOf([loaded({ up })]);
    for (let i = 0; i < 10; i++) expect(chain.decide(messageOf({}, json({}))).action.do).to.equal('pass');
    expect(chain.status()[0]).to.include({ state: 'running', faults: 10, lastFault: 'BH-E-XML-FORM' });
  });

  it('a success in between starts the count again', () => {
    let call = 0;
    const chain = chainOf([
      loaded({
        up: () => {
          if (call++ % 3 < 2) throw new Error('broken');
          return PASS;
        },
      }),
    ]);
    for (let i = 0; i < 30; i++) chain.decide(messageOf({ id: `message-${i}` }, json({})));
    expect(chain.status()[0]?.state).to.equal('running');
  });

  it('one message that fails each time it comes takes no module out; its decision says what failed', () => {
    const chain = chainOf([loaded(throwing, { onFault: 'refuse' })]);
    for (let i = 0; i < 20; i++) {
      const { action, module, fault } = chain.decide(messageOf({}, json({})));
      expect(action).to.include({ do: 'refuse', code: 'BH-E-MODULE' });
      expect({ module, fault }).to.deep.equal({ module: 'own', fault: 'Error: broken' });
    }
    expect(chain.status()[0]).to.include({ state: 'running', faults: 20 });
  });

  it('a module that takes too long is at fault, too', () => {
    const chain = chainOf([
      loaded({
        up: () => {
          clock.move(1000);
          return PASS;
        },
      }),
    ]);
    expect(chain.decide(messageOf({}, json({}))).action.do).to.equal('pass');
    expect(chain.status()[0]?.faults).to.equal(1);
  });

  it('a merge that fails gives nothing, and a failing authoriser refuses', () => {
    const broken = () => {
      throw new Error('broken');
    };
    const chain = chainOf([loaded({ merge: broken, authorizeTransfer: broken })]);
    expect(chain.merge('own', 'key', [])).to.equal(undefined);
    const answer = chain.authorizeTransfer({ class: 'software', subclass: 'offer', size: 1, direction: 'down' });
    expect(answer).to.include({ allowed: false, module: 'own' });
  });

  it('starts in order and stops in the opposite order, also twice', async () => {
    const seen: string[] = [];
    const part = (name: string) =>
      loaded({
        name,
        start: async () => {
          seen.push(`+${name}`);
        },
        stop: async () => {
          seen.push(`-${name}`);
        },
      });
    const chain = chainOf([part('a'), part('b')]);
    await chain.stop();
    await chain.start();
    await chain.stop();
    await chain.stop();
    expect(seen).to.deep.equal(['+a', '+b', '-b', '-a']);
  });
});

describe('loadModules', () => {
  it('makes the built-in modules in the order of the configuration', () => {
    const modules = loadModules([
      { use: 'filter', rules: [{ class: 'performance' }] },
      { use: 'aggregate', rules: [{ class: 'performance', subclass: 'sample', count: 5, windowMs: 1000 }] },
      { use: 'throttle', name: 'slow', maxTransferBytes: 10 },
    ]);
    expect(modules.map(({ module }) => module.name)).to.deep.equal(['filter', 'aggregate', 'slow']);
  });

  const refused: [string, unknown, string][] = [
    ['an unknown module', { use: '@acme/other' }, 'modules[0].use'],
    ['an unknown key', { use: 'throttle', maxTransfer: 1 }, 'modules[0]'],
    [
      'a wrong value',
      { use: 'aggregate', rules: [{ class: 'a', subclass: 'b', count: 1, windowMs: 1000 }] },
      'modules[0].rules.0.count',
    ],
    ['something else', 'filter', 'modules[0]'],
  ];
  for (const [what, entry, where] of refused) {
    it(`refuses ${what} with BH-E-CONFIG and the place`, () => {
      expect(() => loadModules([entry]))
        .to.throw('BH-E-CONFIG')
        .with.property('detail')
        .that.includes(where);
    });
  }

  it('refuses two modules of one name', () => {
    const entry = { use: 'throttle' };
    expect(() => loadModules([entry, entry])).to.throw('modules[1]: the name throttle is taken');
  });
});
