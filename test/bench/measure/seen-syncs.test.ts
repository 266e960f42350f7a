import { closeSync, fsyncSync, openSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { need, temporaryDirectory } from '@backhaul/testkit';
import { expect } from 'chai';
import { countSyncs, seenSyncs } from './seen-syncs.ts';

describe('Syncs that strace sees', () => {
  it('are counted once each, also when another thread comes between', () => {
    const trace = `101   fdatasync(7)                       = 0
102   fsync(9 <unfinished ...>
101   fdatasync(7)                       = 0
102   <... fsync resumed>)               = 0
103   +++ exited with 0 +++
`;
    expect(countSyncs(trace)).to.equal(3);
    expect(countSyncs('')).to.equal(0);
  });

  it('are those of the processes named, while the action runs', async function () {
    this.timeout(30_000);
    need(this, 'program', 'strace');
    need(this, 'root', 'following a process that runs');
    await using folder = await temporaryDirectory();
    const file = openSync(join(folder.path, 'file'), 'w');
    const seen = await seenSyncs([process.pid], async () => {
      for (let n = 0; n < 5; n += 1) {
        writeSync(file, 'x');
        fsyncSync(file);
      }
    });
    closeSync(file);
    expect(seen).to.equal(5);
  });
});
