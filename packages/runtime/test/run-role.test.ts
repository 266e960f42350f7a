import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Component, runRole, silentLogger, startAll, stopAll } from '@backhaul/runtime';
import { expect } from 'chai';

function part(name: string, log: string[], changes: Partial<Component> = {}): Component {
  return {
    name,
    start: async () => void log.push(`start ${name}`),
    stop: async () => void log.push(`stop ${name}`),
    ...changes,
  };
}

const failing = async () => {
  throw new Error('no');
};

describe('starting and stopping parts', () => {
  it('starts in order and stops in the opposite order', async () => {
    const log: string[] = [];
    const parts = [part('store', log), part('uplink', log), part('listener', log)];
    await startAll(parts);
    await stopAll(parts);
    expect(log).to.deep.equal([
      'start store',
      'start uplink',
      'start listener',
      'stop listener',
      'stop uplink',
      'stop store',
    ]);
  });

  it('stops what had started when one fails', async () => {
    const log: string[] = [];
    const error = await startAll([part('a', log), part('b', log, { start: failing }), part('c', log)]).catch(
      (thrown) => thrown,
    );
    expect(error.message).to.equal('no');
    expect(log).to.deep.equal(['start a', 'stop a']);
  });

  it('stops all others when one does not', async () => {
    const log: string[] = [];
    const error = await stopAll([part('a', log), part('b', log, { stop: failing })]).catch((thrown) => thrown);
    expect(error).to.be.instanceOf(AggregateError);
    expect(log).to.deep.equal(['stop a']);
  });
});

describe('running a role', () => {
  let folder: string;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'backhaul-role-'));
  });
  afterEach(() => rmSync(folder, { recursive: true }));

  it('writes runtime.json once all has started, and removes it after all has stopped', async () => {
    const log: string[] = [];
    const stop = new AbortController();
    const file = join(folder, 'runtime.json');
    const role = runRole({
      role: 'test',
      version: '1.0.0',
      dataDirectory: folder,
      logger: silentLogger,
      components: [part('a', log, { stop: async () => void log.push(existsSync(file) ? 'still there' : 'gone') })],
      describe: () => ({ admin: 'http://127.0.0.1:1', listeners: { relay: 'https://127.0.0.1:2' } }),
      signal: stop.signal,
    });
    while (!existsSync(file)) await new Promise((resolve) => setTimeout(resolve, 5));
    expect(JSON.parse(readFileSync(file, 'utf8'))).to.deep.equal({
      pid: process.pid,
      role: 'test',
      version: '1.0.0',
      admin: 'http://127.0.0.1:1',
      listeners: { relay: 'https://127.0.0.1:2' },
    });
    stop.abort();
    await role;
    expect(log).to.deep.equal(['start a', 'still there']);
    expect(existsSync(file)).to.equal(false);
  });

  it('rejects when a part does not start, and leaves no runtime.json and no handlers', async () => {
    const before = process.listenerCount('SIGTERM');
    const role = { role: 'test', version: '1', dataDirectory: folder, logger: silentLogger, describe: () => ({}) };
    const error = await runRole({ ...role, components: [part('a', [], { start: failing })] }).catch((thrown) => thrown);
    expect(error.message).to.equal('no');
    expect(existsSync(join(folder, 'runtime.json'))).to.equal(false);
    expect(process.listenerCount('SIGTERM')).to.equal(before);
  });

  /** A role in a process of its own whose stop takes as long as told. */
  function spawnRole(stopMs: number, extra = '') {
    const script = `import('@backhaul/runtime').then(async ({ runRole, createLogger }) => {
      const open = setInterval(() => {}, 1000);
      await runRole({ role: 'test', version: '1', dataDirectory: ${JSON.stringify(folder)}, logger: createLogger({ role: 'test', format: 'json' }), describe: () => ({}),
        components: [{ name: 'a', start: async () => { ${extra} }, stop: () => new Promise((r) => setTimeout(r, ${stopMs})) }] });
      clearInterval(open);
    });`;
    return spawn(process.execPath, ['--conditions=backhaul-source', '-e', script], {
      cwd: import.meta.dirname,
      stdio: ['ignore', 'pipe', 'ignore'],
    });
  }
  const said = async (child: ReturnType<typeof spawnRole>, message: string) => {
    for await (const chunk of child.stdout!.iterator({ destroyOnReturn: false }))
      if (String(chunk).includes(`"message":"${message}"`)) return;
  };

  for (const signal of ['SIGTERM', 'SIGINT'] as const) {
    it(`drains on ${signal} and exits 0`, async () => {
      const child = spawnRole(50);
      await said(child, 'started');
      child.kill(signal);
      expect(await once(child, 'exit')).to.deep.equal([0, null]);
    });
  }

  it('exits at once on a second signal', async () => {
    const child = spawnRole(60_000);
    await said(child, 'started');
    child.kill('SIGTERM');
    await said(child, 'stopping');
    child.kill('SIGTERM');
    expect(await once(child, 'exit')).to.deep.equal([1, null]);
  });

  it('ends when an error was caught by nobody', async () => {
    const child = spawnRole(0, 'setTimeout(() => { throw new Error("lost") }, 50);');
    expect(await once(child, 'exit')).to.deep.equal([70, null]);
  });
});
