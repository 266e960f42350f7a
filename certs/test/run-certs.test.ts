import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { certsConfig, initCa } from '@backhaul/certs';
import { configKeys } from '@backhaul/runtime';
import { expect } from 'chai';

describe('backhaul certs serve', () => {
  let folder: string;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'backhaul-serve-'));
  });
  afterEach(() => rmSync(folder, { recursive: true }));

  function serve(config: object) {
    const file = join(folder, 'certs.yaml');
    writeFileSync(file, JSON.stringify(config));
    const script = `import('@backhaul/certs').then(({ runCerts }) => runCerts({ configFile: ${JSON.stringify(file)}, env: process.env })).catch((e) => { console.error(e.code + ' ' + e.detail); process.exit(1); })`;
    const env = { ...process.env, BACKHAUL_LOG__FORMAT: 'json' };
    return spawn(process.execPath, ['--conditions=backhaul-source', '-e', script], {
      cwd: import.meta.dirname,
      stdio: ['ignore', 'pipe', 'pipe'],
      env,
    });
  }

  it('starts, says where it is, is ready, and stops on SIGTERM with 0', async () => {
    const dataDirectory = join(folder, 'ca');
    await initCa(dataDirectory, { trustDomain: 'backhaul.example' });
    const role = serve({ dataDirectory });
    for await (const chunk of role.stdout.iterator({ destroyOnReturn: false }))
      if (String(chunk).includes('"message":"started"')) break;
    const runtime = JSON.parse(readFileSync(join(dataDirectory, 'runtime.json'), 'utf8'));
    expect(runtime).to.include({ pid: role.pid, role: 'certs' });
    expect(runtime.listeners).to.have.all.keys('enrol', 'registrar');
    expect((await fetch(`${runtime.admin}/readyz`, { headers: { connection: 'close' } })).status).to.equal(200);
    role.kill('SIGTERM');
    expect(await once(role, 'exit')).to.deep.equal([0, null]);
    expect(existsSync(join(dataDirectory, 'runtime.json'))).to.equal(false);
  });

  it('says what to do where there is no authority, and what key is wrong', async () => {
    const error = async (config: object) => {
      const role = serve(config);
      const [chunk] = (await once(role.stderr, 'data')) as [Buffer];
      expect(await once(role, 'exit')).to.deep.equal([1, null]);
      return String(chunk);
    };
    expect(await error({ dataDirectory: folder })).to.match(/BH-E-CONFIG .*backhaul certs init --dir/);
    expect(await error({ dataDirectory: folder, enroll: {} })).to.match(
      /BH-E-CONFIG certs.yaml:1: enroll is unknown; did you mean enrol\?/,
    );
  });

  it('describes every key', () => {
    for (const { key, description } of configKeys(certsConfig)) expect(description, key).to.be.a('string');
  });
});
