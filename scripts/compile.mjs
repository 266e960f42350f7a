// Compiles what is shipped (not the tests) into the `dist` folders.
import { spawnSync } from 'node:child_process';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { pinnedNode } from './pinned-node.mjs';

export const ROOT = dirname(dirname(fileURLToPath(import.meta.url)));
export const PARTS = [
  ...['runtime', 'envelope', 'identity', 'spool', 'transport', 'modules', 'cli'].map((name) => `packages/${name}`),
  ...['proxy', 'mlm', 'appserver', 'certs'],
];

const tsc = join(ROOT, 'node_modules', 'typescript', 'bin', 'tsc');
// the compiler's output goes to standard error: standard output may be somebody's JSON
const run = spawnSync(pinnedNode(import.meta.url), [tsc, '--build', ...PARTS], { cwd: ROOT, stdio: ['ignore', 2, 2] });
if (run.status !== 0) process.exit(run.status ?? 1);
