import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { type TemporaryDirectory, temporaryDirectory } from '@backhaul/testkit';
import { expect } from 'chai';

const BACKHAUL = fileURLToPath(new URL('../../bin/backhaul.mjs', import.meta.url));

interface DemoResult {
  ok: boolean;
  upward: { classes: number; filtered: number; merged: number };
  downward: { answered: number };
  push: { installed: number; wanFetches: number; refused: number; version: string };
  ledger: { unexplained: number };
}

describe('The demo: `npm start -- --once --json`', function () {
  this.timeout(180_000);
  let folder: TemporaryDirectory;

  before(async () => {
    folder = await temporaryDirectory('bh-demo-');
  });
  after(() => folder?.remove());

  it('does the main job and prints one JSON object', async () => {
    const result = await demo(folder.path);
    expect(result.ok).to.equal(true);
    expect(result.upward.classes).to.be.at.least(7);
    expect(result.upward.filtered).to.be.above(0);
    expect(result.upward.merged).to.be.above(0);
    expect(result.downward.answered).to.equal(3);
    expect(result.push).to.include({ installed: 3, wanFetches: 1, refused: 3, version: '1.0.1' });
    expect(result.ledger.unexplained).to.equal(0);
  });

  it('takes the folder up again and pushes the next version', async () => {
    const result = await demo(folder.path);
    expect(result.push).to.include({ installed: 3, wanFetches: 1, refused: 3, version: '1.0.2' });
    expect(result.ledger.unexplained).to.equal(0);
  });
});

async function demo(data: string): Promise<DemoResult> {
  const { stdout } = await promisify(execFile)(
    process.execPath,
    [BACKHAUL, 'demo', '--once', '--json', '--data', join(data, '.backhaul')],
    { maxBuffer: 1 << 24 },
  );
  return JSON.parse(stdout) as DemoResult;
}
