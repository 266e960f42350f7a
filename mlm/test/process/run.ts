import { runMlm } from '../../src/index.ts';

/** The MLM as its own process, for tests that kill it: `run.ts <configuration file>`. */
await runMlm({ configFile: process.argv[2] as string, env: {} });
