import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { need, until } from '@backhaul/testkit';
import { expect } from 'chai';
import { removeTemporaryFolders, temporaryFolder } from './test-context.ts';

const BACKHAUL = fileURLToPath(new URL('../../../bin/backhaul.mjs', import.meta.url));

/** Processes whose command line names the folder, but the one given. */
function processesOf(folder: string, but?: number): number[] {
  const ids = readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map(Number);
  return ids.filter((pid) => {
    if (pid === but || pid === process.pid) return false;
    try {
      return readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes(folder);
    } catch {
      return false;
    }
  });
}

describe('The processes of the demo', function () {
  this.timeout(60_000);
  let folder = '';
  let demo: ChildProcess | undefined;
  before(function () {
    need(this, 'path', '/proc/self/cmdline'); // elsewhere there is no way to see them
  });
  beforeEach(() => {
    folder = join(temporaryFolder(), '.backhaul');
  });
  afterEach(() => {
    demo?.kill('SIGKILL');
    for (const pid of processesOf(folder)) process.kill(pid, 'SIGKILL');
    removeTemporaryFolders();
  });

  /** Resolves when the site runs: certificate authority, application server, MLM, proxies, integrators, installers. */
  async function startDemo(): Promise<ChildProcess> {
    demo = spawn(process.execPath, [BACKHAUL, 'demo', '--json', '--data', folder], {
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    let said = '';
    demo.stderr!.on('data', (chunk) => (said += chunk));
    await until('the site runs', () => said.includes('are running'), 40_000);
    expect(processesOf(folder, demo.pid)).to.have.length.at.least(6);
    return demo;
  }

  const noneLeft = () => until('nobody is left', () => processesOf(folder).length === 0, 10_000);

  it('are gone after kill -9 of the demo', async () => {
    const running = await startDemo();
    running.kill('SIGKILL');
    await once(running, 'exit');
    await noneLeft();
  });

  it('are gone after one SIGTERM in the middle of the job, and the result says that it was interrupted', async () => {
    const running = await startDemo();
    let printed = '';
    running.stdout!.on('data', (chunk) => (printed += chunk));
    running.kill('SIGTERM');
    const [code] = await once(running, 'close');
    await noneLeft();
    expect(code).to.equal(1);
    expect(JSON.parse(printed))
      .to.deep.include({ ok: false })
      .and.to.have.nested.property('failed.step', 'interrupted');
    expect(existsSync(join(folder, 'demo.lock'))).to.equal(false);
  });
});
