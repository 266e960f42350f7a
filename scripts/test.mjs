// `npm test`: lint, types, tests; at the end the list of what was not run here, and why.
//   npm test                      everything
//   npm test -- packages/spool    the tests below these paths only
import { spawnSync } from 'node:child_process';
import { existsSync, globSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { pinnedNode } from './pinned-node.mjs';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const node = pinnedNode(import.meta.url);
if (Number(process.versions.node.split('.')[0]) < 24) {
  // npm chose its node before the pinned one was installed: start again on it
  process.exit(
    spawnSync(node, [fileURLToPath(import.meta.url), ...process.argv.slice(2)], { stdio: 'inherit' }).status ?? 1,
  );
}

const only = process.argv.slice(2);
const scratch = mkdtempSync(join(tmpdir(), 'backhaul-test-'));
const notRunFile = join(scratch, 'not-run.jsonl');
const env = {
  ...process.env,
  BACKHAUL_NOT_RUN: notRunFile,
  PATH: `${join(root, 'node_modules', '.bin')}:${process.env.PATH}`,
};
const startedAt = performance.now();

const steps = only.length > 0 ? [runTests] : [lint, types, runTests];
let failed = steps.find((step) => step() !== 0)?.name;
failed ??= reportNotRun();
rmSync(scratch, { recursive: true, force: true });
console.log(`\n${failed ? `FAILED (${failed})` : 'OK'} in ${Math.round((performance.now() - startedAt) / 1000)} s`);
process.exit(failed ? 1 : 0);

function lint() {
  return run('lint', join(root, 'node_modules', '.bin', 'biome'), ['check', '--error-on-warnings', '.']);
}

function types() {
  return run('types', node, [join(root, 'node_modules', 'typescript', 'bin', 'tsc'), '--build']);
}

function runTests() {
  const places = ['packages/*', 'proxy', 'mlm', 'appserver', 'certs'].flatMap((place) =>
    globSync(`${place}/test/**/*.test.ts`, { cwd: root }),
  );
  const files = [
    ...places,
    ...globSync('test/{rules,e2e,docs,security,browser,invariants,faults,simulation,bench}/**/*.test.ts', {
      cwd: root,
    }),
  ].sort();
  const chosen = only.length === 0 ? files : files.filter((file) => only.some((path) => file.startsWith(path)));
  return run('tests', node, [
    '--conditions=backhaul-source',
    '--disable-warning=ExperimentalWarning',
    join(root, 'node_modules', 'mocha', 'bin', 'mocha.js'),
    ...chosen,
  ]);
}

function run(name, command, args) {
  console.log(`\n# ${name}`);
  const result = spawnSync(command, args, { cwd: root, env, stdio: ['ignore', 'inherit', 'inherit'] });
  return result.status ?? 1;
}

/** Under CI everything must have been run. */
function reportNotRun() {
  const lines = existsSync(notRunFile) ? readFileSync(notRunFile, 'utf8').trim().split('\n').filter(Boolean) : [];
  const reasons = [...new Set(lines.map((line) => JSON.parse(line).reason))];
  if (reasons.length === 0) return undefined;
  console.log('\nNot run here, because');
  for (const reason of reasons)
    console.log(`  - ${reason} (${lines.filter((line) => JSON.parse(line).reason === reason).length} tests)`);
  return process.env.CI === 'true' ? 'tests not run' : undefined;
}
