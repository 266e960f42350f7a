import { resolve } from 'node:path';
import { enrolFromPackage } from '../enrol-component.ts';
import type { Verb } from '../verb.ts';

export const enrol: Verb = {
  path: 'enrol',
  summary: 'make the key of a component here, get its certificate, and write a configuration to start with',
  description:
    'The key never leaves this machine; the token in the package works once. A configuration that exists already is left alone.',
  options: [
    ['--package <file>', 'package of the site, from `backhaul sites package`'],
    ['--component <id>', 'which component of the package this is'],
    ['--data <folder>', 'data folder of the component'],
    ['--parent-url <url>', 'relay listener of the parent, when the package does not say it'],
  ],
  examples: [
    'backhaul enrol --package site-a.json --component c7k2m9qx1.m1 --data /var/lib/backhaul/mlm',
    'backhaul enrol --package site-a.json --component c7k2m9qx1.p1 --data /var/lib/backhaul/proxy --parent-url https://mlm.site-a.example:7444',
  ],
  run: async ({ cli, options }) => {
    const data = resolve(cli.directory, options.required('data'));
    const parentUrl = options.text('parentUrl');
    const enrolled = await enrolFromPackage({
      packageFile: resolve(cli.directory, options.required('package')),
      component: options.required('component'),
      dataDirectory: data,
      ...(parentUrl === undefined ? {} : { parentUrl }),
    });
    const text = `${enrolled.id} is enrolled; its certificate and key are in ${data}/identity.\nNext: backhaul ${enrolled.kind} --config ${enrolled.configFile}`;
    return { json: enrolled, text };
  },
};
