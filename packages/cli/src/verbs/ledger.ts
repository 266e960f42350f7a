import { z } from 'zod';
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
] as const;
const ALWAYS_SHOWN = 3;
const lane = z.looseObject({ source: z.string(), epoch: z.string(), lane: z.number() });
const ledgerDocument = z.looseObject({ items: z.array(lane), unexplained: z.number().nullish() });

/** Exit code 1 when something is missing and nobody has said why. */
export const ledger: Verb = {
  path: 'ledger',
  summary: 'what became of every message: delivered, merged, filtered, expired … or unexplained',
  arguments: [['[source]', 'component ID; all when left out']],
  connects: true,
  examples: ['backhaul ledger', 'backhaul ledger c7k2m9qx1.p1 --json'],
  run: async ({ api, args, width }) => {
    const document = await (await api()).get('/ledger', ledgerDocument, { source: args[0] });
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
    const text = `${table}\n\nunexplained: ${printable(String(unexplained))}`;
    return { json: document, text, exitCode: unexplained > 0 ? 1 : 0 };
  },
};

function shownFates(items: readonly z.infer<typeof lane>[]): readonly string[] {
  return FATES.filter((fate, index) => index < ALWAYS_SHOWN || items.some((row) => (countOf(row, fate) ?? 0) > 0));
}

function countOf(row: z.infer<typeof lane>, fate: string): number | undefined {
  const value = row[fate];
  return typeof value === 'number' ? value : undefined;
}
