import { runHostIntegrator } from './integrators/host/run-host-integrator.ts';

await runHostIntegrator(process.argv.slice(2));
