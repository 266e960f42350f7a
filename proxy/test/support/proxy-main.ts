import { runProxy } from '../../src/run-proxy.ts';

await runProxy({ configFile: process.argv[2]!, env: process.env });
