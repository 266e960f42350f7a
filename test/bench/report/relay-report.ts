import type { BacklogResult } from '../backlog.ts';
import type { QuickResult } from '../quick.ts';

/** The quick figures of the whole relay. */
export function showRelay(result: QuickResult): void {
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

export function showBacklog(result: BacklogResult): void {
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
