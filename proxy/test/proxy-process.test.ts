import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { MemoryStore } from '@backhaul/spool';
import { leakCheck, type TemporaryDirectory, temporaryDirectory, until } from '@backhaul/testkit';
import { expect } from 'chai';
import { Agent, request } from 'undici';
import { PARENT, PROXY, TestParent, TRUST_DOMAIN } from './support/test-parent.ts';
import { TestProxy } from './support/test-proxy.ts';

const MAIN = fileURLToPath(new URL('./support/proxy-main.ts', import.meta.url));

describe('the proxy as a process: nothing left open', () => {
  leakCheck({ before, after });
  describe('the proxy as a process', describeProcess);
  describe('a store that fails', describeFailingStore);
});

function describeProcess(): void {
  let folder: TemporaryDirectory;
  let parent: TestParent;
  beforeEach(async () => {
    folder = await temporaryDirectory('bh-p-');
    parent = await new TestParent().start();
  });
  afterEach(async () => {
    await parent.stop();
    await folder.remove();
  });

  const configure = async (more = ''): Promise<string> => {
    const file = join(folder.path, 'proxy.yaml');
    const text = `dataDirectory: ${folder.path}\ntrustDomain: ${TRUST_DOMAIN}\nparents: [{ id: ${PARENT}, url: "${parent.url}" }]\nidentity: { id: ${PROXY} }\ninstaller: { enabled: false }\n${more}`;
    await writeFile(file, text);
    return file;
  };
  const launch = async (file: string): Promise<ChildProcess> => {
    const child = spawn(process.execPath, [...process.execArgv, MAIN, file], { stdio: ['ignore', 'ignore', 'ignore'] });
    await until(
      'runtime.json',
      async () =>
        JSON.parse(await readFile(join(folder.path, 'runtime.json'), 'utf8').catch(() => '{}')).pid === child.pid,
      15_000,
    );
    return child;
  };
  const end = async (child: ChildProcess, signal: NodeJS.Signals): Promise<number | null> => {
    const exited = once(child, 'exit');
    child.kill(signal);
    return (await exited)[0] as number | null;
  };

  it('kill -9 under load: everything that was accepted arrives, once', async function () {
    this.timeout(60_000);
    const file = await configure();
    const accepted = new Set<string>();
    let sent = 0;
    for (let round = 0; round < 3; round++) {
      const child = await launch(file);
      const agent = new Agent({ connect: { socketPath: join(folder.path, 'integrator.sock') } });
      const post = async (path: string, body: object) => {
        const answer = await request(`http://proxy${path}`, {
          method: 'POST',
          dispatcher: agent,
          body: JSON.stringify(body),
        });
        return {
          status: answer.statusCode,
          body: (await answer.body.json()) as { id: string; verdicts: { id: string }[] },
        };
      };
      const integrator = (await post('/v1/integrators', { name: 'load', platform: 'load', version: '1' })).body.id;
      const instance = (
        await post('/v1/instances', { integrator, platform: 'load', managementId: 'm', name: 'm', type: 't' })
      ).body.id;
      let killed = false;
      const load = async () => {
        while (!killed) {
          const messages = Array.from({ length: 50 }, () => ({
            instance,
            class: 'x-load',
            subclass: 's',
            data: { n: sent++ },
          }));
          const answer = await post('/v1/data', { messages }).catch(() => undefined);
          if (answer?.status === 202) for (const { id } of answer.body.verdicts) accepted.add(id);
        }
      };
      const loads = Promise.all([load(), load()]);
      await new Promise((resolve) => setTimeout(resolve, 500));
      await end(child, 'SIGKILL');
      killed = true;
      await loads;
      await agent.destroy();
    }
    const last = await launch(file);
    const arrived = () => new Set(parent.of('x-load', 's').map(({ header }) => header.id));
    await until('all that was accepted', () => accepted.isSubsetOf(arrived()), 30_000);
    expect(accepted.size).above(100);
    expect(arrived().size).equal(parent.of('x-load', 's').length);
    const sequences = parent
      .of('x-load', 's')
      .map(({ header }) => header.sequence)
      .toSorted((a, b) => a - b);
    expect(sequences).deep.equal(Array.from({ length: sequences.length }, (_, n) => n + 1));
    expect(await end(last, 'SIGTERM')).equal(0);
  });

  it('SIGTERM: says so above, leaves runtime.json and socket behind no more, ends with 0', async () => {
    const child = await launch(await configure());
    await parent.waitFor('infrastructure', 'notice');
    expect(await end(child, 'SIGTERM')).equal(0);
    expect(
      parent.of('infrastructure', 'notice').map(({ content }) => (content as { eventId: string }).eventId),
    ).deep.equal(['cold-start', 'shutdown']);
    for (const name of ['runtime.json', 'integrator.sock'])
      expect(await stat(join(folder.path, name)).catch(() => 'gone'), name).equal('gone');
  });

  it('a wrong key in the configuration is refused by its path, with what was meant', async () => {
    const file = await configure('heartbeat: { intervallMs: 5 }\n');
    const child = spawn(process.execPath, [...process.execArgv, MAIN, file], { stdio: ['ignore', 'ignore', 'pipe'] });
    let text = '';
    child.stderr.on('data', (chunk) => (text += chunk));
    await once(child, 'close');
    expect(text).contain('heartbeat.intervallMs is unknown; did you mean intervalMs?');
  });
}

function describeFailingStore(): void {
  it('refuses while it cannot keep, and has no holes after it', async () => {
    const store = new MemoryStore();
    const proxy = await TestProxy.start({ store }); // without a parent, so that no other write meets the failure
    try {
      const { instance } = await proxy.register();
      const send = () => proxy.post('/v1/data', { instance, class: 'x-t', subclass: 's', data: 1 });
      expect((await send()).body.verdicts[0].sequence).equal(1);
      store.failWrites(1);
      const refused = await send();
      expect(refused.status).equal(503);
      expect(refused.body.code).equal('BH-E-SPOOL-STOPPED');
      expect(Number(refused.headers['retry-after'])).above(0);
      let again = await send();
      await until('accepting again', async () => again.status === 202 || (again = await send()).status === 202);
      expect(again.body.verdicts[0].sequence).equal(2);
      expect((await proxy.register()).instance).equal(instance);
    } finally {
      await proxy.stop();
    }
  });
}
