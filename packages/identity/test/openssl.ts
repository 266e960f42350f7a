import { spawnSync } from 'node:child_process';

/** Tests that ask the openssl command skip themselves where there is none. */
export const hasOpenssl = spawnSync('openssl', ['version']).status === 0;
