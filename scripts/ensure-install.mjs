// Plain JavaScript that Node 20 can run: installs what package-lock.json names, and only when that file has changed.
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const lock = readFileSync(join(root, 'package-lock.json'));
const wanted = createHash('sha256').update(lock).digest('hex');
const stamp = join(root, 'node_modules', '.backhaul-lock');

if (!existsSync(stamp) || readFileSync(stamp, 'utf8') !== wanted) {
  console.error('backhaul: installing dependencies (npm ci) …');
  const npm = process.env.npm_execpath;
  const args = ['ci', '--ignore-scripts', '--no-audit', '--no-fund', '--loglevel=error'];
  const [command, commandArgs] = npm ? [process.execPath, [npm, ...args]] : ['npm', args];
  // npm's own output goes to standard error: standard output belongs to the program that is about to start
  const run = spawnSync(command, commandArgs, { cwd: root, stdio: ['ignore', 2, 2], shell: false });
  if (run.status !== 0) {
    console.error('backhaul: npm ci failed; the lines above say why. Is the npm registry within reach?');
    process.exit(1);
  }
  mkdirSync(dirname(stamp), { recursive: true });
  writeFileSync(stamp, wanted);
}
