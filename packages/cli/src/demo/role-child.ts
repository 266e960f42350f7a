// Entry of the processes that the demo starts: one role, without the command line around it. When the demo is gone,
// even by kill -9, the channel to it closes and the role stops as if it had been told to.
import process from 'node:process';
import { toBackhaulError } from '@backhaul/runtime';
import { type Role, startRole } from '../start-role.ts';

process.on('disconnect', () => process.kill(process.pid, 'SIGTERM'));
process.channel?.unref();

const [role, configFile] = process.argv.slice(2) as [Role, string];
try {
  await startRole(role, { configFile, env: process.env });
  if (process.connected) process.disconnect();
} catch (thrown) {
  const error = toBackhaulError(thrown);
  const cause = error.code === 'BH-E-INTERNAL' && error.cause instanceof Error ? error.cause.stack : undefined;
  process.stderr.write(
    `${JSON.stringify({ level: 'error', role, code: error.code, message: error.message, ...(cause ? { cause } : {}) })}\n`,
  );
  process.exit(1);
}
