// npm run bench -- quick [--json]      the whole relay, end to end
// npm run bench -- spool|hop|forward-path|receive      one part alone
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { BUILT } from '../fleet/role-process.ts';
import { type QuickResult, quick } from './quick.ts';

const PARTS = ['spool', 'hop', 'forward-path', 'receive'];

const words = process.argv.slice(2);
const [workload = 'quick', ...rest] = words.filter((word) => !word.startsWith('--'));
if (workload === 'quick') {
  const result = await quick(BUILT, (line) => console.error(line));
  if (words.includes('--json')) console.log(JSON.stringify(result, null, 2));
  else show(result);
} else if (PARTS.includes(workload)) {
  const file = fileURLToPath(new URL(`parts/${workload}.ts`, import.meta.url));
  process.exitCode =
    spawnSync(process.execPath, [...process.execArgv, file, ...rest], { stdio: 'inherit' }).status ?? 1;
} else {
  console.error(`unknown workload ${workload}; there are: quick, ${PARTS.join(', ')}`);
  process.exitCode = 2;
}

function show(result: QuickResult): void {
  const { messagesPerSecond, messages, batchSize, residentMiB } = result;
  console.log(
    `\n${messagesPerSecond.toLocaleString('en-US')} messages/s end to end (${messages} messages of about 1 KB in batches of up to ${batchSize}, three processes, mutual TLS, every hop synced)`,
  );
  const rowOf = (role: string) => ({
    'CPU µs per message': result.cpuMicrosPerMessage[role],
    'syncs per message': result.syncsPerMessage[role],
    'MiB idle': residentMiB[role],
    'MiB after the load': result.residentMiBAfterLoad[role],
  });
  console.table(Object.fromEntries(Object.keys(residentMiB).map((role) => [role, rowOf(role)])));
}
