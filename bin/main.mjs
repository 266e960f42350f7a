// Runs on the pinned Node.
import { main } from '@backhaul/cli';

process.exitCode = await main(process.argv.slice(2), process.env);
