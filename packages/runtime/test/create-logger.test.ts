import { Writable } from 'node:stream';
import { BackhaulError, createLogger, LOG_FIELD_MAX_BYTES, Secret } from '@backhaul/runtime';
import { expect } from 'chai';
import fc from 'fast-check';

class Lines extends Writable {
  text = '';
  override _write(chunk: Buffer, _encoding: string, done: () => void): void {
    this.text += chunk.toString('utf8');
    done();
  }
  get all(): string[] {
    return this.text.split('\n').slice(0, -1);
  }
  // biome-ignore lint/suspicious/noExplicitAny: lines of any shape
  get events(): Record<string, any>[] {
    return this.all.map((line) => JSON.parse(line));
  }
}

function logger(format: 'json' | 'pretty' = 'json', level = 'info') {
  const lines = new Lines();
  return { lines, log: createLogger({ role: 'test', level, format, destination: lines }) };
}

const ATTACKS = [
  'a\nb',
  '\r\n{"level":"error"}',
  '\u001b[31mred',
  '\u009b2J',
  '\u202egnp.exe',
  '\u2066x\u2069',
  '\u2028',
  '\u0000',
  '$'.concat('{jndi:ldap://x}'),
];

describe('logger', () => {
  it('writes one JSON object per event, with time, level, role and message', () => {
    const { lines, log } = logger();
    log.child({ component: 'c1' }).info({ count: 3 }, 'counted');
    log.debug({}, 'not shown');
    expect(lines.events).to.have.length(1);
    expect(lines.events[0]).to.include({ level: 'info', role: 'test', component: 'c1', count: 3, message: 'counted' });
    expect(Date.parse(lines.events[0]!['time'])).to.be.closeTo(Date.now(), 10_000);
  });

  for (const format of ['json', 'pretty'] as const) {
    it(`T-A23: ${format}: no text starts a line or moves a terminal`, () => {
      const { lines, log } = logger(format);
      for (const attack of ATTACKS) {
        log.info({ value: attack, [attack]: 1, deep: { list: [attack] }, error: new Error(attack) }, attack);
        log.child({ bound: attack }).warn({}, 'x');
      }
      expect(lines.all).to.have.length(2 * ATTACKS.length);
      expect(lines.all.join('')).not.to.match(/[\u0000-\u001f\u007f-\u009f\u202a-\u202e\u2066-\u2069\u2028\u2029]/);
    });
  }

  it('T-A23: any text of any length gives one short line', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary', maxLength: 5000, size: 'max' }), (text) => {
        const { lines, log } = logger();
        log.info({ text }, text);
        expect(lines.all).to.have.length(1);
        for (const field of ['text', 'message'])
          expect(Buffer.byteLength(lines.events[0]![field])).to.be.at.most(LOG_FIELD_MAX_BYTES);
      }),
    );
  });

  it('T-A24: secrets are hidden by type, by name and by form', () => {
    const { lines, log } = logger();
    const canary = 'canary-4711';
    log.info(
      {
        a: new Secret(canary),
        token: canary,
        'Backhaul-Proof': canary,
        headers: { authorization: `Bearer ${canary}`, Cookie: canary },
        password: { nested: canary },
        pem: `-----BEGIN PRIVATE KEY-----\n${canary}`,
        proxy: `http://user:${canary}@proxy:3128/`,
        buffer: Buffer.from(canary),
        error: new Error('x', { cause: new Secret(canary) }),
      },
      `connecting to http://u:${canary}@h/`,
    );
    expect(lines.text).not.to.contain(canary);
    expect(lines.events[0]).to.include({ a: '[secret]', token: '[secret]', proxy: 'http://[secret]@proxy:3128/' });
  });

  it('keeps code, cause and frames of an error, on one line', () => {
    const { lines, log } = logger();
    log.error({ error: new BackhaulError('BH-E-PORT', { detail: '1', cause: new Error('inner') }) }, 'failed');
    const { error } = lines.events[0]!;
    expect(error).to.include({ type: 'BackhaulError', code: 'BH-E-PORT' });
    expect(error.cause.message).to.equal('inner');
    expect(error.stack[0]).to.match(/^at /);
  });

  it('survives circles, depth and width', () => {
    const { lines, log } = logger();
    const circle: Record<string, unknown> = {
      big: 2n ** 70n,
      fn: () => 1,
      map: new Map([['k', 'v']]),
      set: new Set([1]),
    };
    circle['self'] = circle;
    log.info(
      {
        circle,
        wide: Array.from({ length: 1000 }, (_, i) => i),
        ...Object.fromEntries(Array.from({ length: 200 }, (_, i) => [`k${i}`, i])),
      },
      'x',
    );
    expect(lines.all).to.have.length(1);
    expect(lines.text.length).to.be.below(20_000);
  });

  it('T-A3: field names like __proto__ change nothing', () => {
    const { lines, log } = logger();
    log
      .child(JSON.parse('{"__proto__": {"polluted": 1}, "constructor": 2}'))
      .info(JSON.parse('{"__proto__": {"polluted": 1}}'), 'x');
    expect(lines.all).to.have.length(1);
    expect(({} as { polluted?: unknown }).polluted).to.equal(undefined);
  });
});
