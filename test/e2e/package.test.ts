import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { type TemporaryDirectory, temporaryDirectory } from '@backhaul/testkit';
import { expect } from 'chai';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const run = promisify(execFile);

describe('The package that `npm run build` makes', function () {
  this.timeout(240_000);
  let folder: TemporaryDirectory;

  before(async () => {
    folder = await temporaryDirectory('bh-pack-');
    await run(process.execPath, [join(ROOT, 'scripts', 'build.mjs')], { cwd: ROOT });
    await run('npm', ['pack', join(ROOT, 'release', 'backhaul'), '--pack-destination', folder.path], {
      cwd: folder.path,
    });
    await mkdir(join(folder.path, 'elsewhere'));
    await run(
      'npm',
      [
        'install',
        '--prefix',
        join(folder.path, 'elsewhere'),
        '--ignore-scripts',
        '--no-audit',
        '--no-fund',
        '--prefer-offline',
        join(folder.path, 'backhaul-0.1.0.tgz'),
      ],
      { cwd: folder.path },
    );
  });
  after(() => folder?.remove());

  it('holds no sources', () => {
    const scope = join(folder.path, 'elsewhere', 'node_modules', 'backhaul', 'node_modules', '@backhaul');
    expect(existsSync(join(scope, 'runtime', 'dist', 'index.js'))).to.equal(true);
    expect(existsSync(join(scope, 'runtime', 'src'))).to.equal(false);
  });

  it('runs elsewhere: the whole demo', async () => {
    const { stdout } = await run(
      join(folder.path, 'elsewhere', 'node_modules', '.bin', 'backhaul'),
      ['demo', '--once', '--json', '--data', join(folder.path, '.backhaul')],
      {
        cwd: folder.path,
        maxBuffer: 1 << 24,
      },
    );
    expect(JSON.parse(stdout).ok).to.equal(true);
  });
});
