import { columnsOf, cutTo, printable } from './terminal-text.ts';

export interface Column<Row> {
  readonly title: string;
  readonly value: (row: Row) => string | number | undefined;
  readonly align?: 'left' | 'right';
  /** May be cut when the terminal is narrow; the others keep their width. */
  readonly flexible?: boolean;
}

const GAP = '  ';
const NARROWEST = 8;

/**
 * A plain table for people: a title line, a row a line, nothing a terminal could obey. Without a width (output into a
 * file or a pipe) nothing is cut.
 */
export function renderTable<Row>(rows: readonly Row[], columns: readonly Column<Row>[], width?: number): string {
  if (rows.length === 0) return '(none)';
  const cells = rows.map((row) => columns.map((column) => printable(String(column.value(row) ?? '-'))));
  const widths = fitWidths(columns, naturalWidths(columns, cells), width);
  const lines = [columns.map((column) => column.title), ...cells];
  return lines.map((line) => renderLine(line, columns, widths)).join('\n');
}

function naturalWidths<Row>(columns: readonly Column<Row>[], cells: readonly string[][]): number[] {
  return columns.map((column, index) =>
    cells.reduce((widest, line) => Math.max(widest, columnsOf(line[index]!)), column.title.length),
  );
}

/** Takes what is too much from the widest flexible column, again and again. */
function fitWidths<Row>(columns: readonly Column<Row>[], natural: number[], width: number | undefined): number[] {
  const widths = [...natural];
  if (width === undefined) return widths;
  let excess = widths.reduce((sum, one) => sum + one, GAP.length * (widths.length - 1)) - width;
  while (excess > 0) {
    const candidates = columns.flatMap((column, index) =>
      column.flexible && widths[index]! > NARROWEST ? [index] : [],
    );
    if (candidates.length === 0) break;
    const widest = candidates.reduce((a, b) => (widths[b]! > widths[a]! ? b : a));
    widths[widest]! -= 1;
    excess -= 1;
  }
  return widths;
}

function renderLine<Row>(line: readonly string[], columns: readonly Column<Row>[], widths: readonly number[]): string {
  return line
    .map((cell, index) => {
      const text = cutTo(cell, widths[index]!);
      const blanks = ' '.repeat(widths[index]! - columnsOf(text));
      return columns[index]!.align === 'right' ? blanks + text : text + blanks;
    })
    .join(GAP)
    .trimEnd();
}
