import { randomBytes } from 'node:crypto';
import { readdirSync } from 'node:fs';
import { jsonOf, readContent, readHeader } from '@backhaul/envelope';
import { newReleaseKey } from '@backhaul/identity';
import { FakeClock, until } from '@backhaul/testkit';
import { expect } from 'chai';
import type { BusEvent } from '../src/index.ts';
import { type ArtifactOptions, artifactForm } from './support/artifact-form.ts';
import { Sender } from './support/sender.ts';
import { TestAppserver } from './support/test-appserver.ts';

const BUDGET = { maxMessages: 100, maxBytes: 10_000_000 };

describe('Artifacts and pushes', () => {
  let test: TestAppserver;
  let mlm: string;
  let proxies: string[];
  const clock = new FakeClock(Date.now());
  const events: BusEvent[] = [];

  before(async () => {
    test = await TestAppserver.create({ clock, config: { artifacts: { maxBytes: 2_000_000 } } });
    const site = await test.addSite();
    mlm = site.mlms[0]!;
    proxies = site.proxies;
    test.appserver.bus.subscribe('install.*', (event) => events.push(event));
  });
  after(() => test.stop());

  const upload = (bytes: Buffer, options?: ArtifactOptions) => {
    const { form } = artifactForm(bytes, options);
    return test.http('POST', '/api/v1/artifacts', { body: form, headers: { authorization: `Bearer ${test.secret}` } });
  };
  const publish = async (bytes = randomBytes(1_000)) => (await upload(bytes)).body.sha256 as string;
  const mailbox = async (owner = mlm) =>
    (await test.appserver.mailboxes.read(owner, BUDGET)).messages.map((message) => ({
      ...message,
      header: readHeader(Buffer.from(message.header)),
    }));
  const files = () => readdirSync(`${test.folder.path}/artifacts`).filter((name) => name !== 'incoming');
  const install = (source: Sender, push: string, artifact: string, state: string, more: object = {}) =>
    source.event('software', 'install', { push, artifact, name: 'agent', version: '1.0.0', state, ...more });

  describe('publishing', () => {
    it('takes the file before or after its manifest', async () => {
      for (const fileFirst of [true, false]) {
        const answer = await upload(randomBytes(300_000), { fileFirst });
        expect(answer.status, answer.text).to.equal(201);
        expect(answer.body).to.include({ name: 'agent', version: '1.0.0', size: 300_000 });
        expect(files()).to.include(answer.body.sha256);
      }
    });

    it('takes the same bytes again, under another key', async () => {
      const bytes = randomBytes(10);
      const [first, second] = [await upload(bytes), await upload(bytes, { key: newReleaseKey() })];
      expect(second.status).to.equal(201);
      expect(second.body.sha256).to.equal(first.body.sha256);
      expect(second.body.publicKey)
        .to.match(/^ed25519:/)
        .and.to.not.equal(first.body.publicKey);
    });

    const other = newReleaseKey();
    const refused: readonly [string, ArtifactOptions, string][] = [
      ['bytes that are not the ones announced', { manifest: { sha256: 'a'.repeat(64) } }, 'BH-E-BULK-HASH'],
      ['another length than announced', { manifest: { size: 7 } }, 'BH-E-BULK-HASH'],
      ['a signature by another key', { signature: Buffer.alloc(64, 1).toString('base64') }, 'BH-E-SIGNATURE'],
      ['a key that is none', { key: { ...other, publicKeyPem: 'none' } }, 'BH-E-SIGNATURE'],
      ['T-A11: a name like a path', { manifest: { name: '../etc' } }, 'BH-E-SCHEMA'],
      ['a format nobody knows', { manifest: { format: 'exe' } }, 'BH-E-SCHEMA'],
    ];
    for (const [name, options, code] of refused) {
      it(`refuses ${name}, and keeps nothing`, async () => {
        const before = files();
        const answer = await upload(randomBytes(1_000), options);
        expect(answer.body.code).to.equal(code);
        expect(files()).to.deep.equal(before);
        expect(readdirSync(`${test.folder.path}/artifacts/incoming`)).to.deep.equal([]);
      });
    }

    it('refuses a file that is too large, a missing field, a second file and an unknown one', async () => {
      const before = files();
      const code = async (
        change: (form: ReturnType<typeof artifactForm>['form']) => void,
        bytes = randomBytes(100),
      ) => {
        const { form } = artifactForm(bytes);
        change(form);
        return (
          await test.http('POST', '/api/v1/artifacts', {
            body: form,
            headers: { authorization: `Bearer ${test.secret}` },
          })
        ).body.code;
      };
      expect(await code(() => undefined, randomBytes(2_100_000))).to.equal('BH-E-LIMIT-REQUEST');
      expect(await code((form) => form.delete('signature'))).to.equal('BH-E-SCHEMA');
      expect(await code((form) => form.delete('file'))).to.equal('BH-E-SCHEMA');
      expect(await code((form) => form.append('file', new Blob(['x']), 'second'))).to.equal('BH-E-SCHEMA');
      expect(await code((form) => form.append('colour', 'red'))).to.equal('BH-E-SCHEMA');
      expect(await code((form) => form.append('manifest', '{}'))).to.equal('BH-E-SCHEMA');
      expect(await code((form) => form.set('manifest', 'x'.repeat(70_000)))).to.equal('BH-E-LIMIT-REQUEST');
      expect(files()).to.deep.equal(before);
      expect(readdirSync(`${test.folder.path}/artifacts/incoming`)).to.deep.equal([]);
    });

    it('refuses a form that ends before its time', async () => {
      const body = Buffer.from('--b\r\nContent-Disposition: form-data; name="file"; filename="x"\r\n\r\nhalf');
      const headers = { authorization: `Bearer ${test.secret}`, 'content-type': 'multipart/form-data; boundary=b' };
      expect((await test.http('POST', '/api/v1/artifacts', { body, headers })).body.code).to.equal(
        'BH-E-MIME-TRUNCATED',
      );
      expect(readdirSync(`${test.folder.path}/artifacts/incoming`)).to.deep.equal([]);
    });
  });

  describe('a push', () => {
    it('goes once into the mailbox of the next hop, however many it is for, with the manifest as signed', async () => {
      const sha256 = await publish();
      const answer = await test.api('POST', '/pushes', { artifact: sha256, group: 'site-a' });
      expect(answer.status).to.equal(202);
      const [offer, ...more] = (await mailbox()).filter(({ id }) => id === answer.body.id);
      expect(more).to.deep.equal([]);
      expect(offer!.header).to.deep.include({
        class: 'software',
        subclass: 'offer',
        locator: 'destination',
        destination: { kind: 'group', name: 'site-a' },
        source: 'provider.a1',
      });
      const content = readContent(Buffer.from(offer!.body));
      if (content.type !== 'bulkDataRequest') throw new Error(content.type);
      expect(content).to.include({ sha256, location: `/v1/artifacts/${sha256}`, size: 1_000 });
      expect(JSON.parse((jsonOf(content.data) as { manifest: string }).manifest)).to.include({ sha256 });
      const { body } = await test.api('GET', `/pushes/${answer.body.id}`);
      expect(
        body.members.map(({ component, state }: { component: string; state: string }) => [component, state]),
      ).to.deep.equal(proxies.map((id) => [id, 'pending']));
    });

    it('follows each member by the place of its events, and tells every step on the bus', async () => {
      const sha256 = await publish();
      const { id } = (await test.api('POST', '/pushes', { artifact: sha256, group: 'site-a' })).body;
      const [a, b] = [new Sender(proxies[0]!), new Sender(proxies[1]!)];
      const steps = ['offered', 'authorised', 'fetching', 'fetched', 'verified', 'started'].map((state) =>
        install(a, id, sha256, state),
      );
      const percent = install(a, id, sha256, 'percent', { percent: 40 });
      const done = install(a, id, sha256, 'done');
      await test.accept(mlm, ...steps, percent);
      const member = async (component: string) =>
        (await test.api('GET', `/pushes/${id}`)).body.members.find(
          (m: { component: string }) => m.component === component,
        );
      expect(await member(a.id)).to.include({ state: 'started', percent: 40 });
      const late = install(a, id, sha256, 'percent', { percent: 80 });
      await test.accept(mlm, late);
      await test.accept(mlm, done);
      expect((await member(a.id)).state).to.equal('started', 'an earlier event that comes later changes nothing');
      await test.accept(mlm, install(a, id, sha256, 'done'));
      expect(await member(a.id)).to.include({ state: 'done', percent: 100 });
      expect((await member(a.id)).history).to.have.length(10);
      await test.accept(mlm, install(b, id, sha256, 'refused', { code: 'BH-E-POLICY-KEY', reason: 'not our key' }));
      expect(await member(b.id)).to.include({ state: 'refused', code: 'BH-E-POLICY-KEY', reason: 'not our key' });
      expect(
        events.filter(({ body }) => body['push'] === id && body['component'] === b.id).map(({ topic }) => topic),
      ).to.deep.equal(['install.refused']);
    });

    it('takes no event of a component that is no member, nor of a push nobody made', async () => {
      const sha256 = await publish();
      const { id } = (await test.api('POST', '/pushes', { artifact: sha256, component: proxies[0] })).body;
      const outsider = install(new Sender(proxies[2]!, '1'.repeat(16)), id, sha256, 'done');
      const unknown = install(new Sender(proxies[2]!, '2'.repeat(16)), '0'.repeat(26), sha256, 'done');
      expect(await test.accept(mlm, outsider, unknown)).to.deep.equal([{ accepted: true }, { accepted: true }]);
      const notes = await test.queries
        .from('messages')
        .select('note')
        .where('id', 'in', [outsider.header.id, unknown.header.id])
        .orderBy('number')
        .execute();
      expect(notes.map(({ note }) => note)).to.deep.equal([
        `installs: ${proxies[2]} is no member of push ${id}`,
        `installs: push ${'0'.repeat(26)} is not known`,
      ]);
      expect((await test.api('GET', `/pushes/${id}`)).body.members[0].state).to.equal('pending');
    });

    it('an MLM that refuses for good ends it for who is below and not at an end; one that will ask again does not', async () => {
      const sha256 = await publish();
      const { id } = (await test.api('POST', '/pushes', { artifact: sha256, group: 'site-a' })).body;
      const manager = new Sender(mlm, '3'.repeat(16));
      const refusal = (code: string) =>
        manager.message(
          { type: 'bulkDataResponse', request: id, status: 'refused', code, text: 'it cannot be fetched' },
          { class: 'software', subclass: 'authorisation' },
        );
      const codes = async () =>
        (await test.api('GET', `/pushes/${id}`)).body.members.map(
          ({ state, code }: { state: string; code: string | null }) => code ?? state,
        );
      await test.accept(mlm, install(new Sender(proxies[0]!, '4'.repeat(16)), id, sha256, 'done'));
      await test.accept(mlm, refusal('BH-E-BULK-SPACE'));
      expect(await codes()).to.deep.equal(['done', 'pending', 'pending']);
      await test.accept(mlm, refusal('BH-E-BULK-HASH'));
      expect(await codes()).to.deep.equal(['done', 'BH-E-BULK-HASH', 'BH-E-BULK-HASH']);
      expect(events.filter(({ body }) => body['push'] === id).map(({ topic }) => topic)).to.deep.equal([
        'install.done',
        'install.refused',
        'install.refused',
      ]);
    });

    it('is for proxies only, and for somebody', async () => {
      const artifact = await publish();
      expect((await test.api('POST', '/pushes', { artifact, component: mlm })).body.code).to.equal('BH-E-TARGET');
      expect((await test.api('POST', '/pushes', { artifact, group: 'nowhere' })).body.code).to.equal('BH-E-TARGET');
    });

    it('ends as expired where nothing final was said in time', async () => {
      const sha256 = await publish();
      const { id } = (await test.api('POST', '/pushes', { artifact: sha256, group: 'site-a', expiresInMs: 60_000 }))
        .body;
      await test.accept(mlm, install(new Sender(proxies[0]!, '3'.repeat(16)), id, sha256, 'done'));
      await clock.advance(130_000);
      await until('expired', async () => (await test.api('GET', `/pushes/${id}`)).body.members[1].state === 'expired');
      const { members } = (await test.api('GET', `/pushes/${id}`)).body;
      expect(members.map(({ state }: { state: string }) => state)).to.deep.equal(['done', 'expired', 'expired']);
    });
  });

  describe('fetching', () => {
    it('T-A36: is for peers below which somebody should have it, until the push ends; to all others it is not there', async () => {
      const other = await test.addSite('site-fetch', 1);
      const sha256 = await publish();
      const { receiver } = test.appserver;
      const codeOf = (peer: string, hash = sha256) =>
        receiver.artifact(test.peer(peer), hash).then(
          ({ size }) => size,
          (error) => error.code,
        );
      expect(await codeOf(mlm)).to.equal('BH-E-BULK-GONE');
      await test.api('POST', '/pushes', { artifact: sha256, component: proxies[0], expiresInMs: 60_000 });
      expect(await codeOf(mlm)).to.equal(1_000);
      expect(await codeOf(other.mlms[0]!)).to.equal('BH-E-BULK-GONE');
      expect(await codeOf(mlm, 'f'.repeat(64))).to.equal('BH-E-BULK-GONE');
      await clock.advance(61_000);
      expect(await codeOf(mlm)).to.equal('BH-E-BULK-GONE');
    });

    it('is counted: complete ones, and all bytes; what MLMs handed out is added as they report it', async () => {
      const sha256 = await publish();
      const { id } = (await test.api('POST', '/pushes', { artifact: sha256, group: 'site-a' })).body;
      const { receiver, services } = test.appserver;
      receiver.artifactServed(test.peer(mlm), sha256, 400, false);
      receiver.artifactServed(test.peer(mlm), sha256, 600, true);
      const rows = () => test.appserver.database.read('SELECT "peer", "bytes", "complete" FROM "artifactFetches"', []);
      await until('one fetch in two pieces', async () => ((await rows())[0] as { complete?: number })?.complete === 1);
      expect(await rows()).to.deep.equal([{ peer: mlm, bytes: 1_000, complete: 1 }]);
      const transfer = { sha256, wanBytes: 1_000, fetches: 2, lanBytes: 3_000, destinations: proxies };
      await test.accept(mlm, new Sender(mlm, '4'.repeat(16)).event('infrastructure', 'transfer', transfer));
      await services.artifacts.stop();
      expect((await test.api('GET', `/pushes/${id}`)).body).to.include({
        wanFetches: 1,
        wanBytes: 1_000,
        lanBytes: 3_000,
      });
      expect((await test.api('GET', '/metrics-summary')).body.transfers).to.include({
        lanBytes: 3_000,
        lanDestinations: 3,
      });
    });
  });
});
