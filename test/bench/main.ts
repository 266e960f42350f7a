// npm run bench -- quick [--json]
import { BUILT } from '../fleet/role-process.ts';
import { quick } from './quick.ts';

const say = (line: string) => console.error(line);

const words = process.argv.slice(2);
const json = words.includes('--json');
const [workload = 'quick'] = words.filter((word) => !word.startsWith('--'));
if (workload !== 'quick') {
  say(`unknown workload ${workload}; there is: quick`);
  process.exit(2);
}

const result = await quick(BUILT, say);
if (json) console.log(JSON.stringify(result, null, 2));
else {
  const {
    messagesPerSecond,
    messages,
    batchSize,
    syncsPerMessage,
    cpuMicrosPerMessage,
    residentMiB,
    residentMiBAfterLoad,
  } = result;
  console.log(
    `\n${messagesPerSecond.toLocaleString('en-US')} messages/s end to end (${messages} messages of about 1 KB in batches of up to ${batchSize}, three processes, mutual TLS, every hop synced)`,
  );
  console.table(
    Object.fromEntries(
      Object.keys(residentMiB).map((role) => [
        role,
        {
          'CPU µs per message': cpuMicrosPerMessage[role],
          'syncs per message': syncsPerMessage[role],
          'MiB idle': residentMiB[role],
          'MiB after the load': residentMiBAfterLoad[role],
        },
      ]),
    ),
  );
}
