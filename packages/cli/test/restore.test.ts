import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { expect } from 'chai';
import { Fleet, integratorCall } from '../../../test/fleet/fleet.ts';
import { removeTemporaryFolders, runIn, temporaryFolder } from './test-context.ts';

type Role = 'certs' | 'appserver' | 'mlm' | 'proxy-1';

/** The procedures of docs/operations.md, on real roles: what was sent after the backup is what makes them hard. */
describe('Backup and restore of running roles', function () {
  this.timeout(90_000);
  let fleet: Fleet;
  let instance = '';
  let copies = '';
  before(async () => {
    fleet = await Fleet.create({ proxies: 1 });
    copies = temporaryFolder();
    const socket = fleet.proxies[0]!.runtime!.listeners.integrator!;
    const integrator = await integratorCall(socket, 'POST', '/v1/integrators', {
      name: 'test',
      platform: 'test',
      version: '1',
    });
    const about = {
      integrator: (integrator.body as { id: string }).id,
      platform: 'test',
      managementId: 'one',
      name: 'one',
      type: 'host',
    };
    const made = await integratorCall(socket, 'POST', '/v1/instances', about);
    instance = (made.body as { id: string }).id;
  });
  after(async () => {
    await fleet?.stop();
    removeTemporaryFolders();
  });

  async function backhaul(...argv: string[]): Promise<void> {
    const { exitCode, stderr } = await runIn(copies, argv);
    expect(stderr).to.equal('');
    expect(exitCode).to.equal(0);
  }

  const folderOf = (role: Role): string => join(fleet.directory, role);
  const backup = (role: Role) => backhaul('backup', '--data', folderOf(role), '--to', role);

  async function restore(role: Role): Promise<void> {
    await rm(folderOf(role), { recursive: true });
    await backhaul('restore', '--from', role, '--data', folderOf(role));
  }

  async function sendAndCount(className: string): Promise<void> {
    const messages = Array.from({ length: 20 }, (_, n) => ({ instance, class: className, subclass: 'n', data: { n } }));
    expect((await fleet.submit(0, 'data', messages)).status).to.equal(202);
    await fleet.until(
      `20 ${className} are stored`,
      async () => (await fleet.stored({ class: className })).length === 20,
    );
  }

  async function stopSite(): Promise<void> {
    await fleet.proxies[0]!.stop();
    await fleet.mlm.stop();
  }

  async function startSite(): Promise<void> {
    await fleet.mlm.start();
    await fleet.proxies[0]!.start();
  }

  it('an MLM and a proxy, restored together, go on in new epochs: nothing new is taken for something old', async () => {
    await sendAndCount('x-before');
    expect((await runIn(copies, ['backup', '--data', folderOf('mlm'), '--to', 'running'])).stderr).to.include(
      'BH-E-SPOOL-LOCKED',
    );
    await stopSite();
    await backup('mlm');
    await backup('proxy-1');
    await startSite();
    await sendAndCount('x-between');
    await stopSite();
    await restore('mlm');
    await restore('proxy-1');
    await startSite();
    await sendAndCount('x-after');
    expect(await fleet.stored({ class: 'x-before' })).to.have.length(20);
  });

  it('an application server and its authority, copied while they run, come back with what they had', async () => {
    await backup('appserver');
    await backup('certs');
    await fleet.appserver.stop();
    await fleet.certs.stop();
    await restore('appserver');
    await restore('certs');
    await fleet.certs.start();
    await fleet.appserver.start();
    await sendAndCount('x-restored');
    expect(await fleet.stored({ class: 'x-after' })).to.have.length(20);
    const made = await fleet.api<{ components: unknown[] }>(
      'POST',
      `/customers/${fleet.site.customer}/sites/site-a/package`,
      { mlms: 1, proxies: 2 },
    );
    expect(made.components).to.have.length(3);
  });
});
