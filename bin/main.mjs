// Runs on the pinned Node.
import { main } from '@backhaul/cli';

process.channel?.unref();
process.once('disconnect', () => process.kill(process.pid, 'SIGTERM'));

process.exitCode = await main(process.argv.slice(2), process.env);
