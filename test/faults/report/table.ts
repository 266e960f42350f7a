import { readFileSync, writeFileSync } from 'node:fs';
import type { SuiteResult } from '../suite.ts';
import type { Report } from './report.ts';

const PAGE = 'docs/reliability.md';
const [BEGIN, END] = ['<!-- faults -->', '<!-- /faults -->'];
const COUNTED = ['faults', 'messages', 'lost', 'duplicated', 'unexplained', 'undetected', 'refusedToStart'] as const;
type Counts = Record<(typeof COUNTED)[number], number>;

export interface Row extends Counts {
  readonly title: string;
  readonly missing?: string;
}

export interface Table {
  readonly rows: readonly Row[];
  /** sequence numbers of all fleets by what became of them */
  readonly ledger: Readonly<Record<string, number>>;
  readonly heading: string;
}

/** Each suite once, its parts added up. */
export function addUp(reports: readonly Report[]): Table {
  const rows = new Map<string, Row>();
  for (const { suites } of reports)
    for (const { name, title, missing, result } of suites) {
      const before = rows.get(name);
      rows.set(name, {
        title,
        ...added(before, result),
        ...(missing === undefined ? {} : { missing }),
      });
    }
  return { rows: [...rows.values()], ledger: sumOfLedgers(reports), heading: headingOf(reports) };
}

function added(before: Row | undefined, result: SuiteResult | undefined): Counts {
  return Object.fromEntries(
    COUNTED.map((name) => [name, (before?.[name] ?? 0) + (result?.[name] ?? 0)]),
  ) as unknown as Counts;
}

function sumOfLedgers(reports: readonly Report[]): Record<string, number> {
  const sums: Record<string, number> = {};
  for (const { result } of reports.flatMap(({ suites }) => suites))
    for (const [fate, numbers] of Object.entries(result?.ledger ?? {})) sums[fate] = (sums[fate] ?? 0) + numbers;
  return sums;
}

function headingOf(reports: readonly Report[]): string {
  const each = (of: (report: Report) => string) => [...new Set(reports.map(of))].join('; ');
  const seconds = reports.reduce((sum, report) => sum + report.seconds, 0);
  return `Version ${each(({ version }) => version)}, ${each(({ date }) => date)}, ${reports.length} parts, ${Math.round(seconds / 60)} minutes in all, seeds ${each(({ seed }) => String(seed))}; ${each(({ machine }) => machine)}.`;
}

const HEADS = ['fault', 'injected', 'messages', 'lost', 'duplicated', 'unexplained', 'undetected', 'refused to start'];

export function showTable({ rows, ledger, heading }: Table): void {
  console.log(`\n${heading}\n`);
  const cells = [HEADS, ...rows.map(cellsOf)];
  const widths = HEADS.map((_, column) => Math.max(...cells.map((row) => row[column]?.length ?? 0)));
  for (const row of cells)
    console.log(
      row.map((cell, column) => (column === 0 ? cell.padEnd(widths[0]!) : cell.padStart(widths[column]!))).join('  '),
    );
  if (Object.keys(ledger).length > 0) console.log(`\n${ledgerLine(ledger)}`);
}

function ledgerLine(ledger: Table['ledger']): string {
  const said = Object.entries(ledger)
    .filter(([fate, numbers]) => numbers > 0 || fate === 'unexplained')
    .toSorted(([, a], [, b]) => b - a)
    .map(([fate, numbers]) => `${fate} ${numbers.toLocaleString('en-US')}`);
  return `\`backhaul ledger\` on each fleet at its end, added up: ${said.join(', ')}.`;
}

function cellsOf(row: Row): string[] {
  if (row.missing !== undefined && row.faults === 0) return [row.title, `not run here: ${row.missing}`];
  return [
    row.title,
    ...COUNTED.map((name) => (name === 'messages' && row.messages === 0 ? '' : row[name].toLocaleString('en-US'))),
  ];
}

/** Puts it into the page on reliability. @returns the exit code */
export function writeDocs(table: Table, planted: readonly Report[]): number {
  if (table.rows.length === 0) {
    console.error('test:faults: there are no results of a night to add up');
    return 1;
  }
  const page = readFileSync(PAGE, 'utf8');
  const [begin, end] = [page.indexOf(BEGIN), page.indexOf(END)];
  if (begin < 0 || end < begin) throw new Error(`${PAGE} has no place for the table`);
  writeFileSync(
    PAGE,
    `${page.slice(0, begin + BEGIN.length)}\n${[markdown(table), ...planted.map(plantedLine)].join('\n\n')}\n${page.slice(end)}`,
  );
  showTable(table);
  return 0;
}

/** That the harness bites is part of what it shows. */
function plantedLine({ suites, date }: Report): string {
  const { title, result } = suites[0]!;
  if (result === undefined) return `${title}: not run (${suites[0]!.missing}).`;
  const { faults, lost, unexplained, duplicated } = result;
  return `${date}, ${title}: ${lost} messages lost, ${unexplained} unexplained, ${duplicated} duplicated after ${faults} cuts, **${lost + unexplained > 0 ? 'found' : 'not found'}**.`;
}

export function markdown({ rows, ledger, heading }: Table): string {
  const line = (cells: readonly string[]) => `| ${cells.join(' | ')} |`;
  const rule = HEADS.map((_, column) => (column === 0 ? '---' : '---:'));
  const lines = [heading, '', line(HEADS), line(rule), ...rows.map((row) => line(cellsOf(row)))];
  return [...lines, ...(Object.keys(ledger).length === 0 ? [] : ['', ledgerLine(ledger)])].join('\n');
}
