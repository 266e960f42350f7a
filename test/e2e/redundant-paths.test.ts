import { expect } from 'chai';
import { Fleet, integratorCall } from '../fleet/fleet.ts';

/** How long a proxy may be without a parent that answers, by the wall clock of a busy machine. */
const FAILOVER_LIMIT_MS = 20_000;
const BATCH = 20;

interface Command {
  readonly members: readonly {
    readonly state: string;
    readonly paths?: readonly { readonly path: string; readonly state: string }[];
  }[];
}

describe('Redundant paths, end to end', function () {
  this.timeout(240_000);

  describe('a proxy below two MLMs', () => {
    let fleet: Fleet;
    let instance: string;
    let submitted = 0;

    before(async () => {
      fleet = await Fleet.create({ mlms: 2, proxies: 1 });
      instance = await register(fleet, 0);
    });
    after(() => fleet?.stop());

    const submit = async () => {
      const batch = Array.from({ length: BATCH }, (_, n) => ({
        ...{ instance, class: 'x-load', subclass: 'n', data: { n: submitted + n } },
      }));
      expect((await fleet.submit(0, 'data', batch)).status).to.equal(202);
      submitted += BATCH;
    };
    const storedOf = async () => fleet.stored({ class: 'x-load' });
    const usesMlm = async (index: number) => {
      const { items } = await fleet.api<{ items: { peer: string }[] }>('GET', '/messages?class=x-load&limit=1');
      return items[0]?.peer === fleet.mlmIds[index];
    };

    it('fails over in seconds when the first is killed under load, and loses and doubles nothing', async () => {
      for (let n = 0; n < 10; n++) await submit();
      await fleet.until('the first batches are through', async () => (await storedOf()).length === submitted);
      const load = repeat(submit, 50);
      await fleet.mlm.kill();
      const killedAt = performance.now();
      await fleet.until('messages come by the other', () => usesMlm(1), FAILOVER_LIMIT_MS);
      const failoverMs = Math.round(performance.now() - killedAt);
      await load.stop();
      await sent(fleet, { component: fleet.proxyId(0) });
      console.log(`      failover in ${failoverMs} ms, with ${submitted} messages accepted`);
      expect(failoverMs).to.be.below(FAILOVER_LIMIT_MS);
    });

    it('goes back to the first when it is there again, commands reach the proxy throughout', async () => {
      const load = repeat(submit, 100);
      await fleet.mlm.start();
      await sent(fleet, { component: fleet.proxyId(0) });
      await fleet.until('messages come by the first again', () => usesMlm(0), 150_000);
      await sent(fleet, { component: fleet.proxyId(0) });
      await load.stop();
    });

    it('everything accepted is stored exactly once, and nothing is unexplained', async () => {
      await fleet.until('everything is stored', async () => (await storedOf()).length >= submitted, 60_000);
      const numbers = new Set<number>();
      const stored = await storedOf();
      for (const { id } of stored) {
        const { content } = await fleet.api<{ content: { text: string } }>('GET', `/messages/${id}`);
        numbers.add((JSON.parse(content.text) as { n: number }).n);
      }
      expect(stored).to.have.length(submitted);
      expect(numbers.size).to.equal(submitted);
      await fleet.until(
        'nothing is unexplained',
        async () => (await fleet.api<{ unexplained: number }>('GET', '/ledger')).unexplained === 0,
        60_000,
      );
    });
  });

  describe('a support instance at two proxies', () => {
    let fleet: Fleet;
    let instances: string[];

    before(async () => {
      fleet = await Fleet.create({ proxies: 2, appserver: { commandPathAfterMs: 1_500 } });
      instances = [await register(fleet, 0), await register(fleet, 1)];
      await fleet.until('both are known', async () => {
        const { twins } = await fleet.api<{ twins: string[] }>('GET', `/inventory/${instances[0]}`);
        return twins.length === 1;
      });
    });
    after(() => fleet?.stop());

    it('a command goes by the preferred proxy, and by the other when that one is gone; both under one event key', async () => {
      const { id } = await fleet.api<{ id: string }>('POST', '/commands', {
        destination: { instance: instances[0] },
        command: 'ping',
      });
      await fleet.until('the first has it', async () => (await stateOn(fleet, id, 0)) === 'accepted');
      await fleet.proxies[0]!.kill();
      const second = await fleet.api<{ id: string }>('POST', '/commands', {
        destination: { instance: instances[0] },
        command: 'ping',
      });
      await fleet.until('the other has it', async () => (await stateOn(fleet, second.id, 1)) === 'accepted');
      const { items } = await fleet.api<{ items: { eventKey: string; instance: string }[] }>(
        'GET',
        '/messages?class=command&direction=down',
      );
      const both = items.filter(({ eventKey }) => eventKey === `command/${second.id}`);
      expect(both.map((one) => one.instance)).to.have.members(instances);
      await fleet.proxies[0]!.start();
      const [member] = (await fleet.api<Command>('GET', `/commands/${second.id}`)).members;
      expect(member!.state).to.equal('accepted');
    });
  });
});

async function register(fleet: Fleet, proxy: number): Promise<string> {
  const socket = fleet.proxies[proxy]!.runtime!.listeners.integrator!;
  const call = async (path: string, body: object) =>
    (await integratorCall(socket, 'POST', path, body)).body as { id: string };
  const integrator = await call('/v1/integrators', { name: 'e2e', platform: 'test', version: '1' });
  const instance = await call('/v1/instances', {
    ...{ integrator: integrator.id, platform: 'test', managementId: 'rack-7', name: 'rack 7', type: 'host' },
  });
  return instance.id;
}

/** A command, and its way to the end. */
async function sent(fleet: Fleet, destination: object): Promise<void> {
  const { id } = await fleet.api<{ id: string }>('POST', '/commands', { destination, command: 'ping' });
  await fleet.until(
    'the command is done',
    async () => (await fleet.api<Command>('GET', `/commands/${id}`)).members[0]!.state === 'done',
    60_000,
  );
}

async function stateOn(fleet: Fleet, id: string, proxy: number): Promise<string | undefined> {
  const [member] = (await fleet.api<Command>('GET', `/commands/${id}`)).members;
  return member!.paths?.find(({ path }) => path === fleet.proxyId(proxy))?.state;
}

/** Does something over and over until it is stopped. */
function repeat(action: () => Promise<void>, pauseMs: number): { stop(): Promise<void> } {
  let going = true;
  const run = (async () => {
    while (going) {
      await action();
      await new Promise((resolve) => setTimeout(resolve, pauseMs));
    }
  })();
  return {
    stop: async () => {
      going = false;
      await run;
    },
  };
}
