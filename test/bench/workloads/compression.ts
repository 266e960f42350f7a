import { FaultProxy } from '@backhaul/testkit';
import { Fleet } from '../../fleet/fleet.ts';
import { BUILT } from '../../fleet/role-process.ts';
import { loadStored } from '../../load/load-stored.ts';
import type { Figures, Workload, WorkloadOrder } from '../workload.ts';
import { logText, noise } from './sample-payloads.ts';

const MESSAGES = { batched: 20_000, single: 2_000 } as const;
const QUICK_MESSAGES = 1_000;
const WARM_UP = 1_000;

const PAYLOADS = { 'log text': logText, noise } as const;
type PayloadKind = keyof typeof PAYLOADS;

interface WireRun {
  readonly batch: number;
  readonly compress: boolean;
}

type Row = Figures['rows'][number];

export const compression: Workload = {
  name: 'compression',
  title: 'Compression: bytes on the wire for each message, from the MLM to the application server',
  minutes: 3,
  async run(order) {
    const rows: Row[] = [];
    for (const batch of [1, 256])
      for (const compress of [false, true]) rows.push(...(await wireBytes({ batch, compress }, order)));
    return {
      setting:
        'Counted on the TCP streams between the MLM and the application server, plain HTTP without TLS, headers of HTTP among them: up is the envelopes, down their answers. The body of a message is 500 characters, once like lines of a log, once random in base64. zstd is what the MLM sends once the application server has said that it takes it.',
      comparisons: [],
      figures: [{ title: 'Bytes a message', columns: COLUMNS, rows }],
      missing: [],
    };
  },
};

const COLUMNS = ['body', 'batches up to', 'encoding', 'bytes up', 'bytes down'] as const;

async function wireBytes({ batch, compress }: WireRun, { quick, say }: WorkloadOrder): Promise<Row[]> {
  say(`batches up to ${batch}, ${compress ? 'compressed' : 'not compressed'} …`);
  let meter: FaultProxy | undefined;
  const fleet = await Fleet.create({
    plain: true,
    launch: BUILT,
    proxy: { uplink: { maxMessages: batch } },
    mlm: { uplink: { maxMessages: batch, compress } },
    through: async (parent, url) => {
      if (parent !== 'appserver') return url;
      meter = await FaultProxy.start(url);
      return meter.through(url);
    },
  });
  try {
    const rows: Row[] = [];
    const messages = quick ? QUICK_MESSAGES : batch === 1 ? MESSAGES.single : MESSAGES.batched;
    await loadStored(fleet, WARM_UP, { batch, payload: logText });
    for (const [kind, payload] of Object.entries(PAYLOADS) as [PayloadKind, (n: number) => string][]) {
      const before = { ...meter!.bytes };
      await loadStored(fleet, messages, { batch, payload });
      const after = { ...meter!.bytes };
      const each = (name: 'up' | 'down') => Math.round((after[name] - before[name]) / messages);
      rows.push([kind, batch, compress ? 'zstd' : 'none', each('up'), each('down')]);
    }
    return rows;
  } finally {
    await fleet.stop();
    await meter?.stop();
  }
}
