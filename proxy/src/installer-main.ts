import { runInstaller } from './installer/run-installer.ts';

await runInstaller(process.argv.slice(2));
