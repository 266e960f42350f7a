import { expect } from 'chai';
import { canSyncAlways } from './nats-programs.ts';

describe('nats-server', () => {
  it('can sync each message from 2.10 on', () => {
    const can = (version: string) => canSyncAlways({ path: '', version });
    expect(['2.9.10', '2.10.0', '2.10.27', '3.0.1', '1.99.0'].map(can)).to.deep.equal([false, true, true, true, false]);
  });
});
