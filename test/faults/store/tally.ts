import type { SuiteResult } from '../suite.ts';
import type { Judgement } from './account.ts';
import type { Inspection } from './inspector.ts';

const FAILURES_SHOWN = 20;
const OWN_NUMBERS = /^(epoch|last)\b/;

/** Adds up what the trials of a suite found. */
export class Tally {
  #faults = 0;
  readonly #counts = { lost: 0, duplicated: 0, unexplained: 0, undetected: 0, refusedToStart: 0 };
  readonly #failures: string[] = [];
  readonly notes: string[] = [];
  slowestOpenMs = 0;

  get faults(): number {
    return this.#faults;
  }

  fault(): void {
    this.#faults += 1;
  }

  /** A store that was not damaged: everything must be as it was said, and nothing may be reported. */
  whole(what: string, inspection: Inspection, judgement: Judgement | undefined): void {
    this.#opened(what, inspection);
    if (inspection.error !== undefined || judgement === undefined) return;
    this.#add('lost', what, judgement.lost);
    this.#add('duplicated', what, judgement.duplicated);
    this.#add('unexplained', what, judgement.unexplained);
    this.#add('undetected', what, judgement.altered);
  }

  /** A store that was damaged: something may be missing or back, but it must say so; nothing altered may come out. */
  damaged(what: string, inspection: Inspection, judgement: Judgement | undefined): void {
    this.#opened(what, inspection);
    if (inspection.error !== undefined || judgement === undefined) return;
    const isReported = inspection.findings.length > 0;
    const altered = judgement.altered.filter((line) => !(isReported && OWN_NUMBERS.test(line))); // a new epoch, as it should be
    this.#add('undetected', what, altered);
    const silent = isReported ? [] : [...judgement.lost, ...judgement.duplicated, ...judgement.unexplained];
    this.#add('undetected', `${what}, in silence`, silent);
  }

  add(kind: keyof Tally['counts'], what: string, lines: readonly string[]): void {
    this.#add(kind, what, lines);
  }

  get counts(): Readonly<{
    lost: number;
    duplicated: number;
    unexplained: number;
    undetected: number;
    refusedToStart: number;
  }> {
    return this.#counts;
  }

  result(): SuiteResult {
    const notes = [...this.notes, `slowest opening ${Math.round(this.slowestOpenMs)} ms`];
    return { faults: this.#faults, ...this.#counts, notes, failures: this.#failures };
  }

  #opened(what: string, { error, openMs }: Inspection): void {
    this.slowestOpenMs = Math.max(this.slowestOpenMs, openMs);
    if (error !== undefined) this.#add('refusedToStart', what, [error]);
  }

  #add(kind: keyof Tally['counts'], what: string, lines: readonly string[]): void {
    this.#counts[kind] += lines.length;
    if (lines.length === 0 || this.#failures.length >= FAILURES_SHOWN) return;
    const more = lines.length > 3 ? ` and ${lines.length - 3} more` : '';
    this.#failures.push(`${what}: ${kind}: ${lines.slice(0, 3).join('; ')}${more}`);
  }
}
