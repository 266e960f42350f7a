import type { AlarmState, Severity } from '@backhaul/envelope';
import type { HostSystem } from './host-system.ts';

/** One thing to tell the proxy: a data message or an alarm, without the support instance, which the integrator adds. */
export type Report = DataReport | AlarmReport;

export interface DataReport {
  readonly kind: 'data';
  readonly class: string;
  readonly subclass: string;
  readonly data: object;
}

export interface AlarmReport {
  readonly kind: 'alarm';
  readonly class: string;
  readonly subclass: string;
  readonly alarmId: string;
  readonly severity: Severity;
  readonly state: AlarmState;
  readonly location?: string;
  readonly text: string;
}

/** Looks at one side of the host. Never rejects for what a host may lack: that is told as `unavailable`. */
export type Collector = (host: HostSystem) => Promise<readonly Report[]>;

/** JSON bytes of a list message kept well under the body limit of 1 MiB, escaping included. */
const PART_BYTES = 600 * 1024;

/** A long list as several parts, each small enough for one message. An empty list is one empty part. */
export function splitParts<T>(items: readonly T[], maxBytes: number = PART_BYTES): T[][] {
  const parts: T[][] = [[]];
  let bytes = 0;
  for (const item of items) {
    const size = Buffer.byteLength(JSON.stringify(item)) + 1;
    if (bytes + size > maxBytes && bytes > 0) {
      parts.push([]);
      bytes = 0;
    }
    parts.at(-1)?.push(item);
    bytes += size;
  }
  return parts;
}
