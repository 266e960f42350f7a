import { parseArgs } from 'node:util';

export interface BenchOptions {
  readonly help: boolean;
  readonly install: boolean;
  readonly page: boolean;
  readonly json: boolean;
  /** few and small */
  readonly small: boolean;
  readonly pairs: number | undefined;
  /** names of workloads or parts; none: all workloads */
  readonly names: readonly string[];
}

/** Throws with what is wrong, in words. */
export function readBenchOptions(words: readonly string[]): BenchOptions {
  const { values, positionals } = parseArgs({
    args: [...words],
    allowPositionals: true,
    options: {
      help: { type: 'boolean', default: false },
      install: { type: 'boolean', default: false },
      page: { type: 'boolean', default: false },
      json: { type: 'boolean', default: false },
      small: { type: 'boolean', default: false },
      pairs: { type: 'string' },
    },
  });
  return { ...values, pairs: pairsOf(values.pairs), names: positionals };
}

function pairsOf(text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  if (!/^[1-9]\d?$/.test(text)) throw new Error(`--pairs ${text}: a number from 1 to 99`);
  return Number(text);
}
