import type { Collector, DataReport } from '../report.ts';

/** Counters since boot, one message for each network interface (the loopback is left out). */
export const collectInterfaces: Collector = async (host) => {
  const text = await host.readText('/proc/net/dev').catch(() => '');
  return readInterfaces(text)
    .filter((counters) => counters.interface !== 'lo')
    .map((data): DataReport => ({ kind: 'data', class: 'performance', subclass: 'interface', data }));
};

export interface InterfaceCounters {
  readonly interface: string;
  readonly receivedBytes: number;
  readonly receivedPackets: number;
  readonly receiveErrors: number;
  readonly sentBytes: number;
  readonly sentPackets: number;
  readonly sendErrors: number;
}

export function readInterfaces(text: string): InterfaceCounters[] {
  return text.split('\n').flatMap((line) => {
    const match = /^\s*([^:\s]+):\s*(.+)$/.exec(line);
    if (!match) return [];
    const counters = (match[2] ?? '').trim().split(/\s+/).map(Number);
    const at = (index: number) => counters[index] ?? 0;
    return [
      {
        interface: match[1] ?? '',
        receivedBytes: at(0),
        receivedPackets: at(1),
        receiveErrors: at(2),
        sentBytes: at(8),
        sentPackets: at(9),
        sendErrors: at(10),
      },
    ];
  });
}
