import { expect } from 'chai';
import { Fleet } from '../fleet/fleet.ts';
import { load } from '../load/load.ts';

const MESSAGES = 20_000;
const KILLS = 3;

describe('kill -9 of the MLM under load', function () {
  this.timeout(120_000);
  let fleet: Fleet;

  before(async () => {
    fleet = await Fleet.create({ proxies: 1 });
  });
  after(() => fleet?.stop());

  it('loses nothing that was accepted and stores nothing twice', async () => {
    const loading = load(fleet.proxies[0]!.runtime!.listeners.integrator!, MESSAGES);
    for (let kill = 0; kill < KILLS; kill++) {
      const target = ((kill + 1) * MESSAGES) / (KILLS + 3);
      await fleet.until('the MLM is in the middle of it', async () => (await stored(fleet)) >= target, 60_000);
      await fleet.mlm.kill();
      await fleet.mlm.start();
    }
    const { accepted } = await loading;
    expect(accepted).to.have.length(MESSAGES);

    await fleet.until('everything accepted is stored', async () => (await stored(fleet)) >= MESSAGES, 60_000);
    const ids = (await fleet.stored({ class: 'x-load' })).map((message) => message['id'] as string);
    expect(ids).to.have.length(MESSAGES);
    expect(new Set(ids)).to.deep.equal(new Set(accepted));
    await fleet.until('nothing is unexplained', async () => {
      const ledger = await fleet.api<{ unexplained: number; inFlight: number }>('GET', '/ledger');
      return ledger.unexplained + ledger.inFlight === 0;
    });
  });
});

/** Messages of the load in the application server, each counted once. */
async function stored(fleet: Fleet): Promise<number> {
  const summary = await fleet.api<{ messages: { class: string; messages: number }[] }>('GET', '/metrics-summary');
  return summary.messages.filter((row) => row.class === 'x-load').reduce((sum, row) => sum + row.messages, 0);
}
