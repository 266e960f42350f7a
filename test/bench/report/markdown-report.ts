import type { Figures } from '../workload.ts';
import { COMPARISON_COLUMNS, comparisonRow } from './comparison-row.ts';
import { durabilityLines } from './durability-lines.ts';
import type { KeptResult } from './kept-result.ts';
import { machineText } from './machine.ts';

/** What all workloads have measured, for a page; `titles` by name of the workload. */
export function markdownReport(kept: readonly KeptResult[], titles: Readonly<Record<string, string>>): string {
  return kept.map((one) => section(one, titles[one.result.workload] ?? one.result.workload)).join('\n');
}

function section({ result, machine, at }: KeptResult, title: string): string {
  const { workload, setting, comparisons, figures, missing } = result;
  const compared = { columns: COMPARISON_COLUMNS, rows: comparisons.map(comparisonRow) };
  return [
    `### ${title}\n`,
    `\`npm run bench -- ${workload}\`, ${at.slice(0, 10)}; ${machineText(machine)}. ${setting}\n`,
    ...(comparisons.length === 0 ? [] : [markdownTable(compared)]),
    ...listed('What an acknowledgement is worth:', durabilityLines(comparisons)),
    ...figures.flatMap((one) => [`${one.title}:\n`, markdownTable(one)]),
    ...listed('Not measured there:', missing),
  ].join('\n');
}

export function markdownTable({ columns, rows }: Pick<Figures, 'columns' | 'rows'>): string {
  const lineOf = (cells: readonly (string | number)[]) => `| ${cells.map(escaped).join(' | ')} |`;
  return `${[lineOf(columns), `|${columns.map(() => '---|').join('')}`, ...rows.map(lineOf)].join('\n')}\n`;
}

function listed(title: string, lines: readonly string[]): string[] {
  return lines.length === 0 ? [] : [`${title}\n\n${lines.map((line) => `- ${line}`).join('\n')}\n`];
}

function escaped(cell: string | number): string {
  return String(cell).replaceAll('|', '\\|');
}
