import type { Figures } from '../workload.ts';
import { COMPARISON_COLUMNS, comparisonRow } from './comparison-row.ts';
import { durabilityLines } from './durability-lines.ts';
import type { KeptResult } from './kept-result.ts';
import { machineText } from './machine.ts';

/** What was measured, for a terminal. */
export function consoleReport({ result, machine }: KeptResult): string {
  const { workload, setting, comparisons, figures, missing, seconds } = result;
  const tables =
    comparisons.length === 0 ? figures : [{ ...COMPARED, rows: comparisons.map(comparisonRow) }, ...figures];
  return [
    `\n${workload} (${Math.round(seconds)} s on ${machineText(machine)})`,
    setting,
    ...tables.map(textTable),
    ...listed('What an acknowledgement is worth', durabilityLines(comparisons)),
    ...listed('Not measured', missing),
  ].join('\n');
}

const COMPARED: Pick<Figures, 'title' | 'columns'> = {
  title: 'Ours against theirs, in turns',
  columns: COMPARISON_COLUMNS,
};

function listed(title: string, lines: readonly string[]): string[] {
  return lines.length === 0 ? [] : [`\n${title}`, ...lines.map((line) => `  - ${line}`)];
}

/** Columns as wide as what stands in them; the first one to the left, figures to the right. */
export function textTable({ title, columns, rows }: Figures): string {
  const cells = [columns, ...rows].map((row) => row.map(String));
  const widths = columns.map((_, at) => Math.max(...cells.map((row) => (row[at] ?? '').length)));
  const isFigure = columns.map((_, at) => rows.length > 0 && rows.every((row) => /^[\d.,]*$/.test(String(row[at]))));
  const lineOf = (row: readonly string[]) =>
    row.map((cell, at) => (isFigure[at] ? cell.padStart(widths[at]!) : cell.padEnd(widths[at]!))).join('  ');
  const [head, ...body] = cells.map(lineOf);
  return [`\n${title}`, head, '─'.repeat(head!.length), ...body].join('\n');
}
