import { readFileSync } from 'node:fs';
import { expect } from 'chai';
import { Fleet, integratorCall } from '../fleet/fleet.ts';

describe('A fleet over plain HTTP on loopback, as it is measured', function () {
  this.timeout(60_000);
  let fleet: Fleet;
  before(async () => {
    fleet = await Fleet.create({ plain: true });
  });
  after(() => fleet?.stop());

  it('carries a message to the application server, and every tier says in its log that nothing is encrypted', async () => {
    const call = async <T>(path: string, body: object) =>
      (await integratorCall(fleet.proxies[0]!.runtime!.listeners.integrator!, 'POST', path, body)).body as T;
    const integrator = await call<{ id: string }>('/v1/integrators', { name: 'test', platform: 'test', version: '1' });
    const { id } = await call<{ id: string }>('/v1/instances', {
      ...{ integrator: integrator.id, platform: 'test', managementId: 'one', name: 'one', type: 'host' },
    });
    await fleet.submit(0, 'data', [{ instance: id, class: 'x-plain', subclass: 'message', data: { number: 1 } }]);
    await fleet.until('stored', async () => (await fleet.stored({ class: 'x-plain' })).length === 1);
    for (const role of [fleet.proxies[0]!, fleet.mlm, fleet.appserver])
      expect(readFileSync(role.logFile, 'utf8'), role.name).to.match(/plain HTTP|without TLS/);
    expect(fleet.appserver.runtime!.listeners.relay).to.match(/^http:/);
  });
});
