import { expect } from 'chai';
import { TestAppserver } from './support/test-appserver.ts';

describe('Members of a command', () => {
  let test: TestAppserver;
  before(async () => {
    test = await TestAppserver.create();
  });
  after(() => test.stop());

  it('are those of the membership that goes ahead of it, also when the group is changed at the same time', async () => {
    const { proxies } = await test.addSite();
    const [first, second] = proxies as [string, string];
    const { database, directory } = test.appserver;
    await directory.setGroup('group-1', [first]);
    const gate = Promise.withResolvers<void>();
    const busy = database.transaction(() => gate.promise);
    const change = directory.setGroup('group-1', [second]);
    const given = test.api('POST', '/commands', { destination: { group: 'group-1' }, command: 'ping' });
    await test.api('GET', '/commands'); // by the time this is answered the request before it waits for the store
    gate.resolve();
    await Promise.all([busy, change]);
    const { id } = (await given).body;
    const { members } = (await test.api('GET', `/commands/${id}`)).body;
    expect(members.map(({ component }: { component: string }) => component)).to.deep.equal([second]);
  });
});
