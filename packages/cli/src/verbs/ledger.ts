import { z } from 'zod';
import type { ApiClient } from '../client.ts';
import { renderTable } from '../table.ts';
import { printable } from '../terminal-text.ts';
import type { Verb } from '../verb.ts';

/** The first three are always shown, the others when there is one. */
const FATES = [
  'delivered',
  'filtered',
  'merged',
  'held',
  'superseded',
  'expired',
  'evicted',
  'deadLetter',
  'revoked',
  'unknownAfterSend',
  'duplicate',
  'inFlight',
] as const;
const ALWAYS_SHOWN = 3;
const LANES_A_PAGE = 500;
const MOST_LANES = 100_000;
const range = z.looseObject({
  first: z.number(),
  last: z.number(),
  fate: z.string(),
  at: z.string().optional(),
  below: z.string().optional(),
  rule: z.string().optional(),
  aggregate: z.string().optional(),
});
const lane = z.looseObject({
  source: z.string(),
  epoch: z.string(),
  lane: z.number(),
  ranges: z.array(range).optional(),
});
const ledgerDocument = z.looseObject({
  items: z.array(lane),
  inFlight: z.number().nullish(),
  unexplained: z.number().nullish(),
  nextCursor: z.string().nullish(),
});

/** Exit code 1 when something is lost: given, not here, and with nobody on the way. What is in flight is no fault. */
export const ledger: Verb = {
  path: 'ledger',
  summary: 'what became of every message: delivered, merged, filtered, expired … or unexplained',
  description:
    'Exit code 1 when something is unexplained: a number was given, it has not arrived, and every hop on its way has told ' +
    'that it does not have it. In flight is no fault: --ranges says at or below which hop.',
  arguments: [['[source]', 'component ID; all when left out']],
  options: [['--ranges', 'the ranges of each lane: from, to, what became of them, where and why']],
  connects: true,
  examples: ['backhaul ledger', 'backhaul ledger c7k2m9qx1.p1 --ranges', 'backhaul ledger c7k2m9qx1.p1 --json'],
  run: async ({ api, args, options, width }) => {
    const document = await readLedger(await api(), args[0]);
    const unexplained = document.unexplained ?? 0;
    const table = renderTable(
      document.items,
      [
        { title: 'SOURCE', value: (row) => row.source },
        { title: 'LANE', value: (row) => row.lane, align: 'right' },
        { title: 'EPOCH', value: (row) => row.epoch },
        ...shownFates(document.items).map((fate) => ({
          title: fate.replaceAll(/[A-Z]/g, (letter) => ` ${letter}`).toUpperCase(),
          value: (row: z.infer<typeof lane>) => countOf(row, fate),
          align: 'right' as const,
        })),
        { title: 'UNEXPLAINED', value: (row) => countOf(row, 'unexplained'), align: 'right' },
      ],
      width,
    );
    const ranges = options.flag('ranges') ? `\n\n${rangeTable(document.items, width)}` : '';
    const sums = `in flight: ${printable(String(document.inFlight ?? 0))}\nunexplained: ${printable(String(unexplained))}`;
    const text = `${table}${ranges}\n\n${sums}`;
    return { json: document, text, exitCode: unexplained > 0 ? 1 : 0 };
  },
};

/** All lanes, page after page; the sums of each page are of all of them. */
async function readLedger(client: ApiClient, source: string | undefined) {
  const query = { source, limit: LANES_A_PAGE };
  const { nextCursor, ...first } = await client.get('/ledger', ledgerDocument, query);
  if (nextCursor == null) return first;
  const others = await client.list('/ledger', lane, { ...query, cursor: nextCursor }, MOST_LANES);
  return { ...first, items: [...first.items, ...others] };
}

function rangeTable(items: readonly z.infer<typeof lane>[], width: number | undefined): string {
  const rows = items.flatMap(({ ranges = [], ...line }) => ranges.map((one) => ({ ...one, ...line })));
  return renderTable(
    rows,
    [
      { title: 'SOURCE', value: (row) => row.source },
      { title: 'LANE', value: (row) => row.lane, align: 'right' },
      { title: 'EPOCH', value: (row) => row.epoch },
      { title: 'FROM', value: (row) => row.first, align: 'right' },
      { title: 'TO', value: (row) => row.last, align: 'right' },
      { title: 'FATE', value: (row) => row.fate },
      { title: 'WHERE', value: (row) => row.at ?? (row.below === undefined ? undefined : `below ${row.below}`) },
      { title: 'WHY', value: (row) => row.rule ?? row.aggregate, flexible: true },
    ],
    width,
  );
}

function shownFates(items: readonly z.infer<typeof lane>[]): readonly string[] {
  return FATES.filter((fate, index) => index < ALWAYS_SHOWN || items.some((row) => (countOf(row, fate) ?? 0) > 0));
}

function countOf(row: z.infer<typeof lane>, fate: string): number | undefined {
  const value = row[fate];
  return typeof value === 'number' ? value : undefined;
}
