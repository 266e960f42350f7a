import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type BulkDataRequest, type EventContent, jsonElement, jsonOf, type SoftwareInstall } from '@backhaul/envelope';
import type { SupervisedProcess } from '@backhaul/runtime';
import { leakCheck, until } from '@backhaul/testkit';
import { expect } from 'chai';
import { otherKey, signed, type TestArtifact, tarGz, writePolicy } from './support/archives.ts';
import { TestParent } from './support/test-parent.ts';
import { TestProxy } from './support/test-proxy.ts';

describe('child processes: nothing left open', () => {
  leakCheck({ before, after });
  describe('the host integrator as a process of its own', describeHost);
  describe('software from an offer to `current`', describeInstall);
});

const HOST_CLASSES = [
  ['os-packages', 'list'],
  ['patches', 'available'],
  ['disk-configuration', 'list'],
  ['system-configuration', 'summary'],
  ['performance', 'sample'],
  ['performance', 'interface'],
  ['system-alarms', 'units'],
  ['system-alarms', 'journal'],
  ['system-alarms', 'load'],
  ['storage-alarms', 'filesystem'],
] as const;

function describeHost(): void {
  let parent: TestParent;
  let proxy: TestProxy;
  before(async () => {
    parent = await new TestParent().start();
    proxy = await TestProxy.start({
      parent,
      settings: {
        integrators: [{ use: 'host', managementId: 'this-host', startSamples: 2, performanceIntervalMs: 60_000 }],
      },
    });
  });
  after(async () => {
    await proxy.stop();
    await parent.stop();
  });

  it('reports everything it knows of this machine at its start', async function () {
    this.timeout(60_000);
    for (const [cls, subclass] of HOST_CLASSES) await parent.waitFor(cls, subclass, 1, 50_000);
    await parent.waitFor('performance', 'sample', 2, 10_000);
    expect(parent.of('system-configuration', 'summary')[0]?.header).include({
      instance: 'c12345678.p1.s1',
      sourceType: 'host',
    });
    const { tree } = (await proxy.get('/v1/status')).body;
    expect(tree.children[0]).include({ kind: 'integrator', state: 'ok' });
  });

  it('killed, it leaves the proxy running, is started again and keeps its support instance', async function () {
    this.timeout(60_000);
    const process_ = proxy.component<SupervisedProcess>('host-integrator');
    const before = parent.of('system-configuration', 'summary').length;
    process.kill(process_.pid!, 'SIGKILL');
    expect((await proxy.get('/v1/status')).status).equal(200);
    await until('a second report', () => parent.of('system-configuration', 'summary').length > before, 40_000);
    expect(process_.restarts).equal(1);
    expect((await proxy.get('/v1/instances')).body.items).length(1);
  });
}

function describeInstall(): void {
  let parent: TestParent;
  let proxy: TestProxy;
  before(async () => {
    parent = await new TestParent().start();
    proxy = await TestProxy.start({ parent, settings: { installer: { enabled: true } } });
    await writePolicy(join(proxy.directory, 'policy.json'));
  });
  after(async () => {
    await proxy.stop();
    await parent.stop();
  });

  const offer = async (artifact: TestArtifact, published = true): Promise<string> => {
    const path = join(proxy.directory, `served-${artifact.sha256}`);
    await writeFile(path, artifact.bytes);
    if (published) parent.artifacts.set(artifact.sha256, { path, size: artifact.size, sha256: artifact.sha256 });
    const { sha256, size, manifest, signature, publicKey } = artifact;
    const location = `/v1/artifacts/${sha256}`;
    const content: BulkDataRequest = {
      type: 'bulkDataRequest',
      sha256,
      size,
      class: 'software',
      subclass: 'offer',
      name: 'demo-tool',
      artifactVersion: '1.0.0',
      location,
      data: jsonElement({ manifest, signature, publicKey }),
    };
    return parent.send('software', 'offer', content);
  };
  const steps = (push: string): SoftwareInstall[] =>
    parent
      .of('software', 'install')
      .map(({ content }) => jsonOf((content as EventContent).data) as SoftwareInstall)
      .filter((step) => step.push === push);
  const ended = async (push: string): Promise<SoftwareInstall[]> => {
    await until(
      'end of the install',
      () => steps(push).some(({ state }) => ['done', 'refused', 'failed'].includes(state)),
      30_000,
    );
    return steps(push);
  };

  it('is judged, fetched once, verified, unpacked; every step is told in order', async function () {
    this.timeout(40_000);
    const artifact = signed(
      await tarGz([
        { name: 'VERSION', text: '1.0.0' },
        { name: 'data', text: Buffer.alloc(400_000, 'ab') },
      ]),
    );
    const push = await offer(artifact);
    const told = await ended(push);
    expect(told.map(({ state }) => state).filter((state) => state !== 'percent')).deep.equal([
      'offered',
      'authorised',
      'fetching',
      'fetched',
      'verified',
      'started',
      'done',
    ]);
    const percents = told.flatMap(({ state, percent }) => (state === 'percent' ? [percent] : []));
    for (const percent of percents) expect(percent).oneOf([25, 50, 75]);
    expect(await readFile(join(proxy.directory, 'software', 'demo-tool', 'current', 'VERSION'), 'utf8')).equal('1.0.0');
    expect(parent.fetches).equal(1);
    expect(parent.of('software', 'authorisation')[0]?.content).include({
      type: 'bulkDataResponse',
      request: push,
      status: 'granted',
    });
  });

  it('signed with a key the site does not allow, it is refused and not fetched', async function () {
    this.timeout(40_000);
    const fetches = parent.fetches;
    const push = await offer(signed(await tarGz([{ name: 'VERSION', text: '6.6.6' }]), { version: '6.6.6' }, otherKey));
    const told = await ended(push);
    expect(told.map(({ state }) => state)).deep.equal(['offered', 'refused']);
    expect(told[1]?.code).equal('BH-E-POLICY-KEY');
    expect(parent.fetches).equal(fetches);
    const answer = parent.of('software', 'authorisation').at(-1)?.content;
    expect(answer).include({ request: push, status: 'refused', code: 'BH-E-POLICY-KEY' });
  });

  it('the installer killed, the proxy runs on, and what was offered meanwhile is installed', async function () {
    this.timeout(60_000);
    const installer = proxy.component<SupervisedProcess>('installer');
    process.kill(installer.pid!, 'SIGKILL');
    expect((await proxy.get('/v1/status')).status).equal(200);
    const push = await offer(signed(await tarGz([{ name: 'VERSION', text: '1.1.0' }]), { version: '1.1.0' }));
    const told = await ended(push);
    expect(told.at(-1)).include({ state: 'done', version: '1.1.0' });
    expect(await readFile(join(proxy.directory, 'software', 'demo-tool', 'current', 'VERSION'), 'utf8')).equal('1.1.0');
    expect(installer.restarts).equal(1);
  });

  it('fails when the parent does not have it, and says so', async function () {
    this.timeout(40_000);
    const push = await offer(signed(await tarGz([{ name: 'VERSION', text: '1.2.0' }]), { version: '1.2.0' }), false);
    const told = await ended(push);
    expect(told.at(-1)).include({ state: 'failed', code: 'BH-E-BULK-GONE' });
  });
}
