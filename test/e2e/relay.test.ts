import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { newReleaseKey, releaseKeyName, signManifest } from '@backhaul/identity';
import { expect } from 'chai';
import { Fleet, integratorCall, SITE } from '../fleet/fleet.ts';
import { tarOf } from './tar-of.ts';

const FILTER = { use: 'filter', rules: [{ name: 'no-noise', class: 'x-noise' }] };
const AGGREGATE = {
  use: 'aggregate',
  rules: [{ name: 'five-to-one', class: 'performance', subclass: 'sample', count: 5, windowMs: 60_000 }],
};

interface Outcome {
  members: { component: string; state: string; code?: string | null }[];
  wanFetches?: number;
}

describe('The relay, end to end', function () {
  this.timeout(90_000);
  let fleet: Fleet;
  const instances: string[] = [];

  before(async () => {
    fleet = await Fleet.create({ proxies: 3, mlm: { modules: [FILTER, AGGREGATE] } });
    for (const proxy of fleet.proxies) instances.push(await registerInstance(proxy.runtime!.listeners.integrator!));
  });
  after(() => fleet?.stop());

  it('carries an alarm from an integrator to the application server, byte for byte, and can say its way', async () => {
    const text = 'Lüfter 2 steht: <fan id="2"> & "0 rpm" ]]> \u{1f525}';
    const answer = await fleet.submit(0, 'alarms', [
      {
        instance: instances[0],
        class: 'x-machine',
        subclass: 'fan',
        alarmId: 'fan-2',
        severity: 'major',
        state: 'open',
        text,
      },
    ]);
    expect(answer.status).to.equal(202);
    const [alarm] = await fleet.until('the alarm is stored', async () =>
      atLeast(1, await fleet.stored({ class: 'x-machine' })),
    );
    const whole = await fleet.api<{ content: { text: string } }>('GET', `/messages/${alarm!['id']}`);
    expect(whole.content.text).to.equal(text);
    const trace = await fleet.api<{ hops: { id: string }[] }>('GET', `/messages/${alarm!['id']}/trace`);
    expect(trace.hops.map(({ id }) => id)).to.deep.equal([fleet.proxyId(0), fleet.mlmId, 'provider.a1']);
  });

  it('explains what the MLM filtered and merged', async () => {
    await fleet.submit(
      1,
      'data',
      Array.from({ length: 3 }, () => ({ instance: instances[1], class: 'x-noise', subclass: 'n', data: {} })),
    );
    await fleet.submit(
      1,
      'data',
      Array.from({ length: 5 }, (_, load1) => ({
        instance: instances[1],
        class: 'performance',
        subclass: 'sample',
        data: sample(load1),
      })),
    );
    const [summary] = await fleet.until('the aggregate is stored', async () =>
      atLeast(1, await fleet.stored({ class: 'performance' })),
    );
    expect(summary!['subclass']).to.equal('summary');
    expect(summary!['source']).to.equal(fleet.mlmId);
    expect(await fleet.stored({ class: 'x-noise' })).to.deep.equal([]);
    const { items } = await fleet.api<{ items: Record<string, unknown>[] }>(
      'GET',
      `/ledger?source=${fleet.proxyId(1)}`,
    );
    expect(JSON.stringify(items)).to.contain('no-noise');
    await settled(fleet);
  });

  it('brings one group message to three proxies and three answers back', async () => {
    const { id } = await fleet.api<{ id: string }>('POST', '/commands', {
      destination: { group: SITE },
      command: 'get-status',
    });
    const { members } = await outcome(fleet, `/commands/${id}`);
    expect(members.map(({ state }) => state)).to.deep.equal(['done', 'done', 'done']);
    expect(new Set(members.map(({ component }) => component)).size).to.equal(3);
  });

  it('refuses an unknown group with its code', async () => {
    const refused = await fleet
      .api('POST', '/commands', { destination: { group: 'nobody' }, command: 'ping' })
      .catch((error: Error) => error.message);
    expect(refused).to.contain('BH-E-TARGET');
  });

  it('installs what the release key of the policy has signed, fetched once, and refuses another key', async () => {
    const key = newReleaseKey();
    const policy = { allow: [{ key: releaseKeyName(key.publicKeyPem), name: 'agent*' }], allowDowngrade: false };
    for (const proxy of fleet.proxies)
      await writeFile(join(proxy.dataDirectory, 'policy.json'), JSON.stringify(policy));
    const good = await push(fleet, key, '1.0.0');
    expect(good.members.map(({ state }) => state)).to.deep.equal(['done', 'done', 'done']);
    const { wanFetches } = await fleet.until('the fetch is counted', async () => {
      const seen = await fleet.api<Outcome>('GET', `/pushes/${good.id}`);
      return (seen.wanFetches ?? 0) > 0 ? seen : undefined;
    });
    expect(wanFetches).to.equal(1);
    for (const proxy of fleet.proxies) expect(await installedVersion(proxy.dataDirectory)).to.equal('1.0.0\n');

    const bad = await push(fleet, newReleaseKey(), '1.0.1');
    expect(bad.members.map(({ state, code }) => `${state} ${code}`)).to.deep.equal(
      Array(3).fill('refused BH-E-POLICY-KEY'),
    );
    for (const proxy of fleet.proxies) expect(await installedVersion(proxy.dataDirectory)).to.equal('1.0.0\n');
  });

  it('refuses a revoked proxy at its next request, and keeps what the proxy has accepted', async () => {
    await fleet.api('POST', `/components/${fleet.proxyId(2)}/revoke`);
    await fleet.until('the proxy is refused', async () => {
      const figures = await fleet.mlm.metrics();
      return (figures.get('backhaul_mlm_relay_refusals_total') ?? 0) > 0;
    });
    const before = (await fleet.stored({ class: 'x-revoked' })).length;
    const answer = await fleet.submit(2, 'data', [
      { instance: instances[2], class: 'x-revoked', subclass: 'x', data: {} },
    ]);
    expect(answer.status).to.equal(202);
    const status = (await integratorCall(fleet.proxies[2]!.runtime!.listeners.integrator!, 'GET', '/v1/status')).body;
    expect(status).to.be.an('object');
    expect((await fleet.stored({ class: 'x-revoked' })).length).to.equal(before);
  });

  it('has nothing unexplained at the end', () => settled(fleet));
});

function atLeast<T>(count: number, items: T[]): T[] | undefined {
  return items.length >= count ? items : undefined;
}

async function registerInstance(socket: string): Promise<string> {
  const integrator = (
    await integratorCall(socket, 'POST', '/v1/integrators', { name: 'e2e', platform: 'test', version: '1' })
  ).body as { id: string };
  const instance = (
    await integratorCall(socket, 'POST', '/v1/instances', {
      integrator: integrator.id,
      platform: 'test',
      managementId: 'rack-7',
      name: 'rack 7',
      type: 'host',
    })
  ).body as { id: string };
  return instance.id;
}

function sample(load1: number): Record<string, number> {
  return { load1, load5: 1, load15: 1, cpuBusyFraction: 0.5, memoryTotalBytes: 100, memoryUsedBytes: 50 };
}

async function settled(fleet: Fleet): Promise<void> {
  await fleet.until(
    'nothing is unexplained',
    async () => (await fleet.api<{ unexplained: number }>('GET', '/ledger')).unexplained === 0,
  );
}

/** Waits until every member has come to an end. */
function outcome(fleet: Fleet, path: string): Promise<Outcome> {
  const ends = new Set(['done', 'failed', 'refused', 'expired', 'revoked']);
  return fleet.until(
    `every outcome of ${path}`,
    async () => {
      const seen = await fleet.api<Outcome>('GET', path);
      return seen.members.length > 0 && seen.members.every(({ state }) => ends.has(state)) ? seen : undefined;
    },
    45_000,
  );
}

async function push(
  fleet: Fleet,
  key: { privateKeyPem: string; publicKeyPem: string },
  version: string,
): Promise<Outcome & { id: string }> {
  const bytes = gzipSync(tarOf({ VERSION: `${version}\n`, 'bin/agent': '#!/bin/sh\nexit 0\n' }));
  const manifest = Buffer.from(
    JSON.stringify({
      name: 'agent',
      version,
      format: 'archive',
      sha256: createHash('sha256').update(bytes).digest('hex'),
      size: bytes.length,
    }),
  );
  const { sha256 } = await fleet.upload({
    manifest,
    signature: signManifest(key.privateKeyPem, manifest),
    publicKey: key.publicKeyPem,
    bytes,
  });
  const { id } = await fleet.api<{ id: string }>('POST', '/pushes', { artifact: sha256, group: SITE });
  return { ...(await outcome(fleet, `/pushes/${id}`)), id };
}

async function installedVersion(dataDirectory: string): Promise<string> {
  const file = join(dataDirectory, 'software/agent/current', 'VERSION');
  return existsSync(file) ? readFile(file, 'utf8') : 'nothing';
}
