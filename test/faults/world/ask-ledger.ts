import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Fleet } from '../../fleet/fleet.ts';

const BACKHAUL = fileURLToPath(new URL('../../../bin/backhaul.mjs', import.meta.url));
/** What a lane of the document has besides its numbers by fate. */
const NO_FATES: ReadonlySet<string> = new Set(['lane', 'through', 'settledThrough']);
const MOST_BYTES = 64 * 1024 * 1024;

/** Sequence numbers by what became of them; `unexplained` is always there. */
export type Fates = Readonly<Record<string, number>>;

interface LedgerDocument {
  readonly items: readonly Record<string, unknown>[];
  readonly unexplained?: number | null;
}

/** What an operator sees: `backhaul ledger --json`, the command itself, its numbers added up over all lanes. */
export async function askLedger({ appserver, proxies, adminSecret }: Fleet): Promise<Fates> {
  const env = {
    PATH: process.env['PATH'],
    BACKHAUL_URL: appserver.runtime!.listeners.staff!,
    BACKHAUL_TOKEN: adminSecret,
    BACKHAUL_ROOTS: join(proxies[0]!.dataDirectory, 'identity', 'roots.pem'),
  };
  const { items, unexplained } = JSON.parse(await run(['ledger', '--json'], env)) as LedgerDocument;
  const fates: Record<string, number> = {};
  for (const [fate, count] of items.flatMap((lane) => Object.entries(lane)))
    if (typeof count === 'number' && !NO_FATES.has(fate)) fates[fate] = (fates[fate] ?? 0) + count;
  return { ...fates, unexplained: unexplained ?? 0 };
}

/** Its exit code is 1 when something is unexplained: that is for whoever reads the numbers. */
function run(argv: readonly string[], env: NodeJS.ProcessEnv): Promise<string> {
  return new Promise((resolve, reject) => {
    execFile(process.execPath, [BACKHAUL, ...argv], { env, maxBuffer: MOST_BYTES }, (error, stdout, stderr) => {
      if (stdout !== '') resolve(stdout);
      else reject(new Error(`backhaul ${argv.join(' ')} said nothing: ${stderr}`, { cause: error }));
    });
  });
}
