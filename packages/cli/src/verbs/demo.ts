import { resolve } from 'node:path';
import { runDemo } from '../demo/demo.ts';
import type { Verb } from '../verb.ts';

export const demo: Verb = {
  path: 'demo',
  summary: 'start a provider and a customer site on this machine, and run the main job on its real data',
  description:
    'Data up, commands down, a signed package pushed and installed, one with a foreign signature refused. It then keeps running until Ctrl-C. A second start takes up the same data folder.',
  options: [
    ['--once', 'stop when it is done; exit code 0 when all of it happened'],
    ['--fresh', 'begin with a new data folder'],
    ['--data <folder>', 'data folder (.backhaul when left out)'],
  ],
  examples: ['npm start', 'npm start --silent -- --once --json', 'backhaul demo --fresh --data /tmp/backhaul-demo'],
  run: ({ cli, options }) =>
    runDemo(cli, {
      dataDirectory: resolve(cli.directory, options.text('data') ?? '.backhaul'),
      once: options.flag('once'),
      fresh: options.flag('fresh'),
      json: options.flag('json'),
    }),
};
