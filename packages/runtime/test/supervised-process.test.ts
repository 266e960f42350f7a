import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { type Random, SupervisedProcess, silentLogger } from '@backhaul/runtime';
import { expect } from 'chai';
import { FakeClock } from './fake-clock.ts';

const random = (fraction: number): Random => ({ fraction: () => fraction, bytes: (n) => Buffer.alloc(n) });

/** Waits for real processes; gives up loudly. */
async function until(condition: () => boolean, what: string): Promise<void> {
  for (let i = 0; i < 500; i++) {
    if (condition()) return;
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  throw new Error(`never: ${what}`);
}

describe('supervised process', () => {
  const made: SupervisedProcess[] = [];
  afterEach(async () => {
    for (const process of made.splice(0)) await process.stop();
  });

  function supervise(script: string, clock = new FakeClock(), onMessage?: (line: string) => void) {
    const child = new SupervisedProcess({
      name: 'child',
      command: process.execPath,
      args: ['-e', script],
      logger: silentLogger,
      clock,
      random: random(0.5),
      ...(onMessage ? { onMessage } : {}),
    });
    made.push(child);
    return child;
  }
  const STAY = 'setInterval(() => {}, 1000)';

  it('starts a child, hands over its lines and stops it', async () => {
    const lines: string[] = [];
    const child = supervise(`console.log('one'); console.log('two'); ${STAY}`, new FakeClock(), (line) =>
      lines.push(line),
    );
    await child.start();
    await until(() => lines.length === 2, 'two lines');
    expect(lines).to.deep.equal(['one', 'two']);
    const { pid } = child;
    expect(pid).to.be.a('number');
    await child.stop();
    expect(child.pid).to.equal(undefined);
    expect(() => process.kill(pid!, 0)).to.throw('ESRCH');
  });

  it('starts it again after kill -9, waiting longer each time, from 0.5 to 30 s', async () => {
    const clock = new FakeClock();
    const child = supervise(STAY, clock);
    await child.start();
    const waits: number[] = [];
    for (let i = 0; i < 8; i++) {
      process.kill(child.pid!, 'SIGKILL');
      await until(() => clock.waiting === 1, 'a wait');
      waits.push(clock.next!);
      clock.advance(clock.next!);
      await until(() => child.pid !== undefined, 'a child');
    }
    expect(child.restarts).to.equal(8);
    expect(waits).to.deep.equal([500, 750, 1500, 3000, 6000, 12_000, 22_500, 22_500]);
  });

  it('begins with the shortest wait again after the child was well for a minute', async () => {
    const clock = new FakeClock();
    const child = supervise(STAY, clock);
    await child.start();
    for (const lived of [0, 0, 0, 60_000]) {
      clock.advance(lived);
      process.kill(child.pid!, 'SIGKILL');
      await until(() => clock.waiting === 1, 'a wait');
      if (lived > 0) expect(clock.next).to.equal(500);
      else clock.advance(clock.next!);
    }
  });

  it('tries again when the command is not there', async () => {
    const clock = new FakeClock();
    const child = new SupervisedProcess({
      name: 'x',
      command: '/no/such/command',
      args: [],
      logger: silentLogger,
      clock,
      random: random(0),
    });
    made.push(child);
    await child.start();
    await until(() => clock.waiting === 1, 'a wait');
    expect(child.pid).to.equal(undefined);
  });

  it('kills a child that ignores SIGTERM', async () => {
    const clock = new FakeClock();
    const lines: string[] = [];
    const child = supervise(`process.on('SIGTERM', () => {}); console.log('up'); ${STAY}`, clock, (line) =>
      lines.push(line),
    );
    await child.start();
    await until(() => lines.length === 1, 'it is up');
    const { pid } = child;
    const stopped = child.stop();
    clock.advance(5_000);
    await stopped;
    expect(() => process.kill(pid!, 0)).to.throw('ESRCH');
    expect(clock.waiting).to.equal(0);
  });

  it('is not started again once stopped; stop works twice and without start', async () => {
    const clock = new FakeClock();
    const child = supervise('process.exit(3)', clock);
    await child.stop();
    await child.start();
    await until(() => clock.waiting === 1, 'a wait');
    await child.stop();
    await child.stop();
    expect(clock.waiting).to.equal(0);
    expect(child.pid).to.equal(undefined);
  });

  it('a child that watches its parent ends with it, even by kill -9', async () => {
    const script = `
      import('@backhaul/runtime').then(async ({ SupervisedProcess, silentLogger, systemClock, systemRandom }) => {
        const script = "import('@backhaul/runtime').then(({ exitWithParent }) => { exitWithParent(); setInterval(() => {}, 1000); console.log('up'); })";
        const child = new SupervisedProcess({ name: 'c', command: process.execPath, args: ['--conditions=backhaul-source', '-e', script],
          logger: silentLogger, clock: systemClock, random: systemRandom, onMessage: () => console.log(child.pid) });
        await child.start();
      });`;
    const parent = spawn(process.execPath, ['--conditions=backhaul-source', '-e', script], {
      cwd: import.meta.dirname,
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    const [line] = (await once(parent.stdout!, 'data')) as [Buffer];
    const pid = Number(line.toString());
    expect(() => process.kill(pid, 0)).to.not.throw();
    parent.kill('SIGKILL');
    await until(() => {
      try {
        process.kill(pid, 0);
        return false;
      } catch {
        return true;
      }
    }, 'the child ends');
  });
});
