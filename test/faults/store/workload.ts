/**
 * A process that does a script to a store and says, before and after each commit, what it changes: `try {n, set, del}`, `ok n`.
 * When a commit is refused it says `unsure n`, waits for the store, and says `now {…}` what it finds there; `failed` when the store
 * gave up, `refuses` when it takes nothing new for long and the script ends there. `opening` and `open` stand around each opening.
 *   workload.ts <script> <directory>
 */
import { writeSync } from 'node:fs';
import { systemClock } from '@backhaul/runtime';
import { commitChanges } from '@backhaul/spool';
import { Cores, SMALL_BUFFER } from './cores.ts';
import { type Delta, everything, SCRIPTS, type Workload } from './scripts.ts';

const [script, directory] = process.argv.slice(2) as [string, string];
const say = (line: string): void => void writeSync(1, `${line}\n`);
/** The ballast is made anew after a recovery; until then nothing is taken. */
const LOOKS = 100;
let steps = 0;

/** Stands for the store: it stays the same for the script while the store is opened anew. */
const work: { -readonly [K in keyof Workload]: Workload[K] } = {
  cores: new Cores(directory, SMALL_BUFFER),
  async step(delta: Delta, act: () => Promise<void>): Promise<void> {
    steps += 1;
    const step = steps;
    say(`try ${JSON.stringify({ n: step, ...delta })}`);
    try {
      await act();
    } catch {
      say(`unsure ${step}`);
      await lookAgain();
      return;
    }
    say(`ok ${step}`);
    await accepting();
  },
  commit: (delta, changes) => work.step(delta, () => commitChanges(work.cores.store, changes)),
  async restart() {
    await work.cores.store.stop();
    work.cores = new Cores(directory, SMALL_BUFFER);
    await open();
  },
};

async function open(): Promise<void> {
  say('opening');
  await work.cores.start();
  say('open');
}

async function lookAgain(): Promise<void> {
  const { store } = work.cores;
  while (store.state === 'recovering') await systemClock.sleep(1);
  if (store.state === 'failed') {
    say('failed');
    process.exit(74);
  }
  say(`now ${JSON.stringify(await work.cores.contents())}`);
  await accepting();
}

async function accepting(): Promise<void> {
  for (let look = 0; look < LOOKS && !work.cores.store.accepting; look += 1) await systemClock.sleep(5);
}

try {
  await open();
  await (SCRIPTS[script] ?? everything)(work).catch((error: unknown) => {
    if ((error as { code?: string }).code !== 'BH-E-SPOOL-FULL') throw error;
    say('refuses');
  });
  await work.cores.store.stop();
  say('done');
} catch (error) {
  say(`error ${(error as Error).stack?.replaceAll('\n', ' | ')}`);
  process.exit(1);
}
