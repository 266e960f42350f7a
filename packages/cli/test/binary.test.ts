import { spawn } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect } from 'chai';
import { type Outcome, removeTemporaryFolders, temporaryFolder } from './test-context.ts';

const BACKHAUL = fileURLToPath(new URL('../../../bin/backhaul.mjs', import.meta.url));

function backhaul(folder: string, ...argv: string[]): Promise<Outcome> {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [BACKHAUL, ...argv], {
      cwd: folder,
      env: { PATH: process.env['PATH'], HOME: folder },
    });
    const outcome = { stdout: '', stderr: '' };
    child.stdout.on('data', (chunk) => (outcome.stdout += chunk));
    child.stderr.on('data', (chunk) => (outcome.stderr += chunk));
    child.on('error', reject);
    child.on('close', (code) => resolve({ ...outcome, exitCode: code ?? -1 }));
  });
}

describe('The installed command', function () {
  this.timeout(30_000);
  let folder = '';
  before(() => {
    folder = temporaryFolder();
  });
  after(removeTemporaryFolders);

  it('names the file, the line and the key of a wrong setting, with what was meant', async () => {
    writeFileSync(
      join(folder, 'proxy.yaml'),
      'dataDirectory: data\nparents:\n  - id: provider.a1\n    ulr: https://127.0.0.1:7443\n',
    );
    for (const argv of [
      ['proxy', '--config', 'proxy.yaml'],
      ['config', 'check', 'proxy', 'proxy.yaml'],
    ]) {
      const { exitCode, stderr, stdout } = await backhaul(folder, ...argv);
      expect(exitCode).to.equal(1);
      expect(stdout).to.equal('');
      expect(stderr)
        .to.include('BH-E-CONFIG')
        .and.include('proxy.yaml:4: parents[0].ulr is unknown; did you mean url?');
      expect(stderr).to.not.match(/^\s+at .*:\d+:\d+\)?$/m);
    }
  });

  it('does the same for an override in the environment', async () => {
    writeFileSync(
      join(folder, 'good.yaml'),
      'dataDirectory: data\nparents:\n  - id: provider.a1\n    url: https://127.0.0.1:7443\n',
    );
    expect((await backhaul(folder, 'config', 'check', 'proxy', 'good.yaml')).exitCode).to.equal(0);
    const shown = await backhaul(folder, 'config', 'show', 'proxy', 'good.yaml', '--json');
    expect(JSON.parse(shown.stdout)).to.have.nested.property('log.level', 'info');
  });

  it('gives 2 for wrong usage', async () => {
    expect((await backhaul(folder, 'prxy')).exitCode).to.equal(2);
  });

  it('ends as usual when nobody reads its output any more', async () => {
    const child = spawn(process.execPath, [BACKHAUL, '--help'], { cwd: folder, stdio: ['ignore', 'pipe', 'pipe'] });
    child.stdout.destroy();
    let stderr = '';
    child.stderr.on('data', (chunk) => (stderr += chunk));
    expect(await new Promise((resolve) => child.on('close', resolve))).to.equal(0);
    expect(stderr).to.equal('');
  });

  it('says that a proxy without a certificate must be enrolled', async () => {
    const { exitCode, stderr } = await backhaul(folder, 'proxy', '--config', 'good.yaml');
    expect(exitCode).to.equal(1);
    expect(stderr).to.include('BH-E-ID-MISSING');
  });
});
