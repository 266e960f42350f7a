import { jsonData } from '@backhaul/envelope';
import { freePort, leakCheck, until } from '@backhaul/testkit';
import { expect } from 'chai';
import { MlmProcess } from './process/mlm-process.ts';
import { TestChild, TestParent } from './process/test-network.ts';
import { GROUP, isReceipt, message, messages, P1, P2, P3, PARENT, PROXIES, tombstones } from './test-mlm.ts';

const rules = [{ class: 'performance', subclass: 'sample', count: 5, windowMs: 1500 }];
const modules = [
  { use: 'filter', rules: [{ name: 'nics', class: 'performance', subclass: 'interface' }] },
  { use: 'aggregate', rules },
];

describe('kill -9 of an MLM', function () {
  this.timeout(60_000);
  leakCheck({ before, after });
  let parent: TestParent;
  let mlm: MlmProcess;
  let children: TestChild[] = [];

  const child = async (id: string) => {
    const one = await new TestChild(id, mlm.url, 'plain').start();
    children.push(one);
    return one;
  };
  afterEach(async () => {
    for (const one of children) await one.stop();
    children = [];
    await mlm?.remove();
    await parent.stop();
  });

  it('between receiving and forwarding: what was accepted is forwarded after the restart, once', async () => {
    const port = await freePort();
    parent = new TestParent('plain', port);
    mlm = await MlmProcess.start({ parents: [{ id: PARENT, url: `http://127.0.0.1:${port}` }], tls: 'plain' });
    const sender = await child(P1);
    await sender.submit(messages(1000));
    await until('the MLM has accepted all', () => sender.waiting === 0, 20_000);
    await mlm.kill();
    await parent.start();
    await mlm.start();
    const ofSender = () => parent.received.filter(({ header }) => header.source === P1);
    await until('all are forwarded', () => ofSender().length === 1000, 20_000);
    expect(ofSender().map(({ header }) => header.sequence)).to.deep.equal(
      Array.from({ length: 1000 }, (_, i) => i + 1),
    );
  });

  it('F9: receipts balance: every sequence is forwarded or named by one tombstone, over kills at any moment', async () => {
    parent = new TestParent('plain');
    await parent.start();
    mlm = await MlmProcess.start({ parents: [{ id: PARENT, url: parent.url }], tls: 'plain', modules });
    const senders = [await child(P1), await child(P2)];
    const kinds = ['sample', 'interface', 'summary'];
    let sent = 0;
    for (let round = 0; round < 4; round++) {
      for (let burst = 0; burst < 10; burst++) {
        for (const sender of senders) {
          const list = Array.from({ length: 31 }, (_, i) =>
            message({ source: sender.id, sequence: sent + i + 1, subclass: kinds[i % 3] as string }),
          );
          await sender.submit(list);
        }
        sent += 31;
      }
      const waiting = () => senders.reduce((sum, sender) => sum + sender.waiting, 0);
      const before = waiting();
      await until('some are accepted', () => waiting() < before, 15_000);
      await new Promise((resolve) => setTimeout(resolve, round * 7));
      await mlm.kill();
      await mlm.start();
    }
    await until('everything was accepted', () => senders.every((sender) => sender.waiting === 0), 30_000);
    const accountOf = (id: string) => {
      const account = new Map<number, number>();
      const add = (n: number) => account.set(n, (account.get(n) ?? 0) + 1);
      for (const { header } of parent.received) if (header.source === id) add(header.sequence);
      for (const { source, from, to } of tombstones(parent.received)) {
        if (source === id) for (let n = from; n <= to; n++) add(n);
      }
      return account;
    };
    await until('everything is accounted for', () => senders.every(({ id }) => accountOf(id).size === sent), 20_000);
    for (const { id } of senders) expect([...accountOf(id)].filter(([, count]) => count !== 1)).to.deep.equal([]);
    const promised = new Set(
      tombstones(parent.received).flatMap(({ aggregate }) => (aggregate === undefined ? [] : [aggregate])),
    );
    const made = () => new Set(parent.received.map(({ header }) => header.id));
    await until(
      'every aggregate that was announced arrives',
      () => [...promised].every((id) => made().has(id)),
      10_000,
    );
    expect(parent.received.filter(isReceipt).length).to.be.above(0);
  });

  it('B2: during expansions: every member gets every group message', async () => {
    parent = new TestParent('plain');
    await parent.start();
    mlm = await MlmProcess.start({ parents: [{ id: PARENT, url: parent.url }], tls: 'plain' });
    const receivers = [await child(P1), await child(P2), await child(P3)];
    const sent: string[] = [];
    for (let round = 0; round < 4; round++) {
      for (let n = 0; n < 25; n++) {
        const one = message({
          class: 'command',
          subclass: 'ping',
          content: jsonData({}),
          destination: { kind: 'group', name: GROUP },
        });
        sent.push(one.header.id);
        await parent.send(one);
      }
      const reached = receivers[0]?.received.length ?? 0;
      await until('some are delivered', () => (receivers[0]?.received.length ?? 0) > reached, 15_000);
      await new Promise((resolve) => setTimeout(resolve, round * 7));
      await mlm.kill();
      await mlm.start();
    }
    const idsOf = (one: TestChild) => one.received.map(({ header }) => header.id);
    await until('each has all', () => receivers.every((one) => new Set(idsOf(one)).size === sent.length), 30_000);
    expect(PROXIES).to.have.length(3);
    for (const one of receivers) expect([...new Set(idsOf(one))]).to.have.members(sent);
  });

  it('SIGTERM drains, says so upward, and ends with 0', async () => {
    parent = new TestParent('plain');
    await parent.start();
    mlm = await MlmProcess.start({ parents: [{ id: PARENT, url: parent.url }], tls: 'plain' });
    const sender = await child(P1);
    await sender.submit(messages(50));
    await until('the MLM has accepted all', () => sender.waiting === 0);
    expect(await mlm.terminate()).to.equal(0);
    expect(parent.received.filter(({ header }) => header.source === P1)).to.have.length(50);
    const notices = parent.received.filter(({ header }) => header.subclass === 'notice');
    expect(notices.map(({ body }) => /eventId="([a-z-]+)"/.exec(Buffer.from(body).toString())?.[1])).to.deep.equal([
      'cold-start',
      'shutdown',
    ]);
  });
});
