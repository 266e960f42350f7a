// node --conditions=backhaul-source test/faults/store/main.ts [suite …] [--count n] [--seed n] [--shard k/n]
import { parseArgs } from 'node:util';
import { STORE_SUITES } from './store-suites.ts';

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { count: { type: 'string' }, seed: { type: 'string' }, shard: { type: 'string' } },
});
const [index, of] = (values.shard ?? '1/1').split('/').map(Number) as [number, number];
const unknown = positionals.find((name) => !STORE_SUITES.some((suite) => suite.name === name));
if (unknown !== undefined)
  throw new Error(`no suite ${unknown}; there are: ${STORE_SUITES.map(({ name }) => name).join(', ')}`);

for (const suite of STORE_SUITES) {
  if (positionals.length > 0 && !positionals.includes(suite.name)) continue;
  const missing = await suite.missing?.();
  if (missing !== undefined) {
    console.log(`${suite.name}: not run here, because ${missing}`);
    process.exitCode = 1;
    continue;
  }
  const begun = performance.now();
  const result = await suite.run({
    count: Number(values.count ?? suite.counts.gate),
    seed: Number(values.seed ?? 1),
    shard: { index, of },
    progress: (line) => console.error(`${suite.name}: ${line}`),
  });
  const { notes, failures = [], faults, ledger: _, ...wrong } = result;
  console.log(
    `${suite.name}: ${faults} faults in ${Math.round((performance.now() - begun) / 1000)} s, ${JSON.stringify(wrong)}`,
  );
  for (const note of notes) console.log(`  ${note}`);
  for (const failure of failures) console.log(`  FAILED ${failure}`);
  if (Object.values(wrong).some((count) => count > 0)) process.exitCode = 1;
}
