import type { Alarm, EventContent } from '@backhaul/envelope';
import { expect } from 'chai';
import { filterModule } from '../src/index.ts';
import { json, messageOf } from './messages.ts';

const alarm = (over: Partial<Alarm> = {}): Alarm => ({
  type: 'alarm',
  alarmId: 'filesystem:/var',
  severity: 'warning',
  state: 'open',
  instance: 'c00000000.p1.s1',
  occurredAt: 1,
  text: 'nearly full',
  ...over,
});
const event: EventContent = { type: 'event', eventId: 'x', severity: 'info', instance: 'i', occurredAt: 1, text: 't' };

describe('filter', () => {
  it('drops by class and subclass and names the rule, without reading the body', () => {
    const module = filterModule({
      use: 'filter',
      rules: [{ name: 'nics', class: 'performance', subclass: 'interface' }],
    });
    const dropped = messageOf({ subclass: 'interface' }, json({}));
    expect(module.up?.(dropped)).to.deep.equal({ do: 'drop', rule: 'filter/nics' });
    expect(dropped.reads()).to.equal(0);
    expect(module.up?.(messageOf({ subclass: 'sample' }, json({})))).to.deep.equal({ do: 'pass' });
  });

  it('drops what is less severe than the limit, and reads only bodies that have a severity', () => {
    const module = filterModule({ use: 'filter', rules: [{ severityBelow: 'minor' }] });
    expect(module.up?.(messageOf({ class: 'system-alarms' }, alarm()))).to.deep.equal({ do: 'drop', rule: 'filter/1' });
    expect(module.up?.(messageOf({}, alarm({ severity: 'minor' })))?.do).to.equal('pass');
    expect(module.up?.(messageOf({}, event))?.do).to.equal('drop');
    const data = messageOf({}, json({}));
    expect(module.up?.(data)?.do).to.equal('pass');
    expect(data.reads()).to.equal(0);
  });

  it('never keeps a clear from those who saw the alarm open', () => {
    const module = filterModule({ use: 'filter', rules: [{ severityBelow: 'critical' }] });
    expect(module.up?.(messageOf({}, alarm({ state: 'clear', severity: 'info' })))?.do).to.equal('pass');
  });

  it('leaves emergency and, unless named, infrastructure alone', () => {
    const module = filterModule({ use: 'filter', rules: [{ lane: 4 }, { class: 'performance' }] });
    expect(module.up?.(messageOf({ lane: 0 }, json({})))?.do).to.equal('pass');
    const command = { lane: 4 as const, class: 'command', classification: 'infrastructure-administration' as const };
    expect(module.up?.(messageOf(command, json({})))?.do).to.equal('pass');
    expect(module.up?.(messageOf({ lane: 4, class: 'x-own' }, json({})))?.do).to.equal('drop');
  });

  it('refuses a rule without a condition', () => {
    expect(() => filterModule({ use: 'filter', rules: [{ name: 'all' }] })).to.throw('would drop everything');
  });
});
