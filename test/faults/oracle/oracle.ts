import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import type { OracleVerdict } from './main.ts';

const run = promisify(execFile);
const ORACLE = fileURLToPath(new URL('main.ts', import.meta.url));
const MAX_OUTPUT = 256 * 1024 * 1024;

/** Asks the oracle, a process that is given the journal of the load and the far end, and nothing else. */
export async function askOracle(journal: string, database: string): Promise<OracleVerdict> {
  const { stdout } = await run(process.execPath, [...process.execArgv, ORACLE, journal, database], {
    maxBuffer: MAX_OUTPUT,
  });
  return JSON.parse(stdout) as OracleVerdict;
}
