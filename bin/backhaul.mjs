#!/usr/bin/env node
// The `backhaul` command. Plain JavaScript that Node 20 can run: it hands over to the pinned Node at once.
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { nodeEnvironment, nodeFlags, pinnedNode, youngFlags } from '../scripts/pinned-node.mjs';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const node = pinnedNode(import.meta.url);
// in a checkout the sources run as they are; a published package has only `dist`
const sources = existsSync(join(root, 'packages', 'cli', 'src'));
const env = nodeEnvironment(process.env);
const words = process.argv.slice(2);
const flags = [...youngFlags(words[0]), ...nodeFlags({ sources })];
const command = [node, ...flags, join(root, 'bin', 'main.mjs'), ...words];

// where Node can replace itself (22.15 and newer) no second process stays in memory
if (process.execve !== undefined && process.platform !== 'win32') {
  process.removeAllListeners('warning');
  process.execve(node, command, env);
}

// the channel says when this process is gone, even by kill -9: the other one then stops instead of running on unseen
const child = spawn(command[0], command.slice(1), { stdio: ['inherit', 'inherit', 'inherit', 'ipc'], env });
child.channel?.unref();
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) {
  // a terminal sends Ctrl-C to the whole group: the child has it already, this process only has to outlive it
  process.on(signal, () => {
    if (signal !== 'SIGINT' || !process.stdin.isTTY) child.kill(signal);
  });
}
child.on('error', (error) => {
  console.error(`backhaul: cannot start ${node}: ${error.message}`);
  process.exit(1);
});
child.on('exit', (code, signal) => {
  process.exitCode = signal ? 128 : (code ?? 1);
});
