import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { BackhaulError, systemClock } from '@backhaul/runtime';
import { expect } from 'chai';
import type { CliContext } from '../src/cli-context.ts';
import { DemoFolder } from '../src/demo/demo-folder.ts';
import { buildDemoPackage } from '../src/demo/demo-package.ts';
import { DemoRun } from '../src/demo/demo-run.ts';
import { choosePorts, PREFERRED_PORTS } from '../src/demo/free-ports.ts';
import { removeTemporaryFolders, temporaryFolder } from './test-context.ts';

function occupy(port: number): Promise<() => Promise<void>> {
  return new Promise((resolve) => {
    const server = createServer();
    server.on('error', () => resolve(async () => {})); // somebody else has it: as good
    server.listen(port, '127.0.0.1', () => resolve(() => new Promise((done) => server.close(() => done()))));
  });
}

async function codeOf(promise: Promise<unknown>): Promise<string> {
  return promise.then(
    () => 'none',
    (error) => (error as BackhaulError).code,
  );
}

describe('The demo folder', () => {
  afterEach(removeTemporaryFolders);

  it('is new once and taken up afterwards, with what it remembers', async () => {
    const path = join(temporaryFolder(), '.backhaul');
    const first = new DemoFolder(path);
    expect(await first.takeUp(false, systemClock)).to.equal('new');
    await first.remember({ pushes: 4 });
    first.release();
    const second = new DemoFolder(path);
    expect(await second.takeUp(false, systemClock)).to.equal('taken up');
    expect(second.state.pushes).to.equal(4);
    second.release();
    const fresh = new DemoFolder(path);
    expect(await fresh.takeUp(true, systemClock)).to.equal('new');
    expect(fresh.state.pushes).to.equal(0);
    fresh.release();
  });

  it('is never one that holds other things, least of all to clear it', async () => {
    const path = temporaryFolder();
    writeFileSync(join(path, 'thesis.txt'), 'years of work');
    expect(await codeOf(new DemoFolder(path).takeUp(true, systemClock))).to.equal('BH-E-CONFLICT');
    expect(existsSync(join(path, 'thesis.txt'))).to.equal(true);
  });

  it('is held by one demo; the lock of a dead one is taken over', async () => {
    const path = join(temporaryFolder(), '.backhaul');
    mkdirSync(path);
    const holder = spawn(process.execPath, ['-e', 'setInterval(() => {}, 1000)', 'demo'], { stdio: 'ignore' });
    writeFileSync(join(path, 'demo.lock'), String(holder.pid));
    const living = await codeOf(new DemoFolder(path).takeUp(false, systemClock));
    holder.kill('SIGKILL');
    await once(holder, 'exit');
    expect(living).to.equal('BH-E-SPOOL-LOCKED');
    writeFileSync(join(path, 'demo.lock'), String(2 ** 30));
    const next = new DemoFolder(path);
    await next.takeUp(false, systemClock);
    expect(readFileSync(join(path, 'demo.lock'), 'utf8').trim()).to.equal(String(process.pid));
    next.release();
  });
});

describe('The ports of the demo', () => {
  it('step around those in use, and stay where they were', async () => {
    const free = await occupy(PREFERRED_PORTS.staff);
    try {
      const ports = await choosePorts({});
      expect(ports.staff).to.not.equal(PREFERRED_PORTS.staff);
      expect(new Set(Object.values(ports)).size).to.equal(Object.keys(PREFERRED_PORTS).length);
      expect(await choosePorts({ ...ports })).to.deep.equal(ports);
    } finally {
      await free();
    }
  });

  it('are others when somebody was quicker; what was started on them starts again', async () => {
    const dice = [0.1, 0.6];
    const cli = { clock: systemClock, random: { fraction: () => dice.shift() } } as unknown as CliContext;
    const run = new DemoRun(cli, {
      dataDirectory: join(temporaryFolder(), '.backhaul'),
      once: true,
      fresh: false,
      json: false,
    });
    await run.folder.takeUp(false, systemClock);
    const first = await choosePorts({});
    run.ports = first;
    const tried: number[] = [];
    await run.startOn(['mlm'], ['mlm'], async () => {
      tried.push(run.ports!.mlm);
      if (tried.length < 3) throw new BackhaulError('BH-E-PORT');
    });
    expect(new Set(tried).size).to.equal(3);
    expect(run.ports).to.deep.equal({ ...first, mlm: tried[2] });
    expect(run.folder.state.ports).to.deep.equal(run.ports);
    const other = run.startOn(['mlm'], ['mlm'], () => Promise.reject(new BackhaulError('BH-E-CONFIG')));
    expect(await codeOf(other)).to.equal('BH-E-CONFIG');
    run.folder.release();
    removeTemporaryFolders();
  });
});

describe('The demo package', () => {
  afterEach(removeTemporaryFolders);

  it('is an archive that tar unpacks, the same for the same version', () => {
    const folder = temporaryFolder();
    const made = buildDemoPackage('1.0.7');
    expect(made.sha256).to.equal(buildDemoPackage('1.0.7').sha256);
    expect(made.sha256).to.not.equal(buildDemoPackage('1.0.8').sha256);
    writeFileSync(join(folder, 'package.tar.gz'), made.bytes);
    execFileSync('tar', ['-xzf', 'package.tar.gz'], { cwd: folder });
    expect(readFileSync(join(folder, 'VERSION'), 'utf8')).to.equal('1.0.7\n');
    expect(execFileSync('sh', [join(folder, 'bin', 'demo-agent')], { encoding: 'utf8' })).to.equal(
      'demo-agent 1.0.7\n',
    );
  });
});
