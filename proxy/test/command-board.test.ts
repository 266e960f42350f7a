import { systemClock } from '@backhaul/runtime';
import { commitChanges, MemoryStore } from '@backhaul/spool';
import { FakeClock, until } from '@backhaul/testkit';
import { expect } from 'chai';
import { CommandBoard } from '../src/downward/command-board.ts';

const command = (n: number) => ({
  ...{ id: String(n).padStart(26, '0'), integrator: 'i', instance: 's', class: 'command', subclass: 'ping' },
  ...{ parameters: {}, eventKey: `command/${n}` },
});

describe('the board of commands', () => {
  it('remembers a bounded number of results, large ones without their data', async () => {
    const store = new MemoryStore();
    await store.start();
    const board = new CommandBoard({ store, clock: systemClock });
    await board.load();
    for (let n = 0; n < 1010; n++) {
      await commitChanges(store, [board.stageAdd(command(n))]);
      await commitChanges(store, [
        board.stageAnswered(command(n), { status: 'done', text: 'x', data: 'y'.repeat(n * 20) }),
      ]);
    }
    expect(board.firstResult('command/9')).to.equal(undefined);
    expect(board.firstResult('command/10')).to.include({ status: 'done', data: 'y'.repeat(200) });
    expect(board.firstResult('command/1009')).to.not.have.property('data');
    await store.stop();
  });

  it('a clock that is set ends no command that waits, also when the store is loaded again', async () => {
    const clock = new FakeClock();
    const store = new MemoryStore();
    await store.start();
    const board = new CommandBoard({ store, clock });
    await board.load();
    await commitChanges(store, [board.stageAdd({ ...command(1), expiresAt: clock.now() + 60_000 })]);
    await commitChanges(store, [board.stageAdd(command(2))]);
    clock.jump(365 * 86_400_000);
    await board.load();
    await clock.advance(59_000);
    expect(board.expired()).to.deep.equal([]);
    await clock.advance(1_000);
    expect(board.expired().map(({ id }) => id)).to.deep.equal([command(1).id]);
    await store.stop();
  });

  it('keeps a command whose answer a reopening store does not take', async () => {
    const store = new MemoryStore();
    await store.start();
    const board = new CommandBoard({ store, clock: systemClock });
    await board.load();
    const pending = command(1);
    await commitChanges(store, [board.stageAdd(pending)]);
    store.onReopened(() => board.load());
    store.onReopened(async () => {
      // loaded already, and the store takes nothing yet: who answers now is asked to try again
      const answered = board.stageAnswered(pending, { status: 'done', text: '' });
      await commitChanges(store, [answered]).catch(() => undefined);
    });
    store.failWrites(1);
    await store.commit([{ type: 'put', key: 'x', value: Buffer.of(1) }]).catch(() => undefined);
    await until('it is open again', () => store.state === 'open');
    expect(board.pending(pending.id)).to.deep.equal(pending);
    await store.stop();
  });
});
