// npm run bench -- quick [--json]      the whole relay, end to end
// npm run bench -- backlog [--json]    a week of messages that waited in a proxy: rate, order, memory
// npm run bench -- spool|qos|hop|forward-path|receive|guards      one part alone
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { BUILT } from '../fleet/role-process.ts';
import { type BacklogResult, backlog } from './backlog.ts';
import { type QuickResult, quick } from './quick.ts';

const PARTS = ['spool', 'qos', 'hop', 'forward-path', 'receive', 'guards'];

const words = process.argv.slice(2);
const [workload = 'quick', ...rest] = words.filter((word) => !word.startsWith('--'));
if (workload === 'quick') {
  const result = await quick(BUILT, (line) => console.error(line));
  if (words.includes('--json')) console.log(JSON.stringify(result, null, 2));
  else show(result);
} else if (workload === 'backlog') {
  const messages = rest[0] === undefined ? undefined : Number(rest[0]);
  const result = await backlog(BUILT, (line) => console.error(line), messages);
  if (words.includes('--json')) console.log(JSON.stringify(result, null, 2));
  else showBacklog(result);
} else if (PARTS.includes(workload)) {
  const file = fileURLToPath(new URL(`parts/${workload}.ts`, import.meta.url));
  process.exitCode =
    spawnSync(process.execPath, [...process.execArgv, file, ...rest], { stdio: 'inherit' }).status ?? 1;
} else {
  console.error(`unknown workload ${workload}; there are: quick, backlog, ${PARTS.join(', ')}`);
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

function showBacklog(result: BacklogResult): void {
  const { messages, fillPerSecond, reconnectSeconds, drainSeconds, drainPerSecond, normalPerSecond, ratio, samples } =
    result;
  console.log(
    `\n${messages} messages waited (taken at ${fillPerSecond}/s); the proxy called again after ${reconnectSeconds} s and drained in ${drainSeconds} s, ${drainPerSecond}/s`,
  );
  console.log(`normal: ${normalPerSecond.join(', ')} messages/s; drain against their median: ${ratio}`);
  console.log(`out of order: ${result.outOfOrder}, stored twice: ${result.storedTwice}`);
  const step = Math.max(1, Math.floor(samples.length / 12));
  const shown = samples.filter((_, index) => index % step === 0 || index === samples.length - 1);
  const rowOf = ({ seconds, stored, residentMiB, privateMiB }: (typeof shown)[number]) => ({
    seconds,
    stored,
    ...Object.fromEntries(
      Object.keys(residentMiB).map((role) => [`${role} MiB (own)`, `${residentMiB[role]} (${privateMiB[role]})`]),
    ),
  });
  console.table(shown.map(rowOf));
}
