import { runSeed } from '../run-seed.ts';
import { PLANTED, type PlantedBug } from './all-planted.ts';

/** Worlds in which a planted bug is looked for. */
const SEEDS = 12;

const known = new Map<string, boolean>();

/** Plants one bug after the other and looks for each; the exit code. A world that fails without the bug as well is no proof. */
export async function huntPlanted(only: string | undefined, print: (line: string) => void): Promise<number> {
  const bugs = PLANTED.filter(({ name }) => only === undefined || name.includes(only));
  print(`${'planted bug'.padEnd(44)}${'found by'.padEnd(14)}${'seed'.padStart(5)}${'seconds'.padStart(9)}`);
  let missed = 0;
  for (const bug of bugs) {
    const began = performance.now();
    let line = 'NOT FOUND';
    for (let seed = 1; seed <= SEEDS && line === 'NOT FOUND'; seed++) {
      const { failure } = await runSeed({ ...worldOf(bug, seed), variation: bug.variation });
      const seconds = ((performance.now() - began) / 1000).toFixed(1);
      if (failure !== undefined && (await isWellWithout(bug, seed)))
        line = `${failure.invariant.padEnd(14)}${String(seed).padStart(5)}${seconds.padStart(9)}`;
    }
    if (line === 'NOT FOUND') missed++;
    print(`${bug.name.padEnd(44)}${line}`);
  }
  print(`\n${bugs.length - missed} of ${bugs.length} found`);
  return missed === 0 ? 0 : 1;
}

function worldOf({ hours = 0.15, times = 25, kinds }: PlantedBug, seed: number) {
  return { seed, hours, times, kinds, busy: true };
}

async function isWellWithout(bug: PlantedBug, seed: number): Promise<boolean> {
  const world = worldOf(bug, seed);
  const key = JSON.stringify(world);
  const isWell = known.get(key) ?? (await runSeed(world)).failure === undefined;
  known.set(key, isWell);
  return isWell;
}
