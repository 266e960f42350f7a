import { resolve } from 'node:path';
import { writeFileAtomic } from '@backhaul/runtime';
import { z } from 'zod';
import { site } from '../api-shapes.ts';
import { renderTable } from '../table.ts';
import { printable } from '../terminal-text.ts';
import { usage, type Verb, type VerbOptions } from '../verb.ts';

const issuedPackage = z.looseObject({
  customer: z.string(),
  site: z.string(),
  components: z.array(z.looseObject({ id: z.string(), kind: z.string() })),
});

export const sitesList: Verb = {
  path: 'sites list',
  summary: 'the sites of a customer',
  arguments: [['<customer>', 'customer ID']],
  connects: true,
  examples: ['backhaul sites list c7k2m9qx1'],
  run: async ({ api, args, width }) => {
    const items = await (await api()).list(`/customers/${encodeURIComponent(args[0]!)}/sites`, site);
    return {
      json: { items },
      text: renderTable(items, [{ title: 'SITE', value: (row) => row.name, flexible: true }], width),
    };
  },
};

export const sitesAdd: Verb = {
  path: 'sites add',
  summary: 'register a site of a customer',
  arguments: [
    ['<customer>', 'customer ID'],
    ['<site>', 'name of the site: small letters, digits, dot, dash'],
  ],
  connects: true,
  examples: ['backhaul sites add c7k2m9qx1 site-a'],
  run: async ({ api, args }) => {
    const made = await (await api()).post(`/customers/${encodeURIComponent(args[0]!)}/sites`, site, { name: args[1] });
    return {
      json: made,
      text: `Site ${printable(made.name)} is registered. Next: backhaul sites package ${printable(args[0]!)} ${printable(made.name)} --proxies 3 --out site.json`,
    };
  },
};

/** Holds one-time tokens: written 0600, and printed only when asked for by `--json` or `--out -`. */
export const sitesPackage: Verb = {
  path: 'sites package',
  summary:
    'make the package a site is installed with: trust roots, parents, IDs, one-time enrolment tokens, never keys',
  arguments: [
    ['<customer>', 'customer ID'],
    ['<site>', 'name of the site'],
  ],
  options: [
    ['--mlms <n>', 'mid-level managers at the site (1 when left out; 0: proxies talk to the parent directly)'],
    ['--proxies <n>', 'proxies at the site (1 when left out)'],
    ['--parent-id <id>', 'component ID of the parent of the topmost component, when it is not the application server'],
    ['--parent-url <url>', 'its relay listener'],
    ['--names <names>', 'DNS names and IP addresses for the certificate of the MLM, separated by commas'],
    ['--mlm-url <urls>', 'relay listeners of the site’s MLMs as the proxies reach them, separated by commas'],
    ['--redundant', 'each proxy may use all MLMs of the site, preferring them in turn'],
    ['--out <file>', 'where to write the package, readable by you alone'],
  ],
  connects: true,
  examples: [
    'backhaul sites package c7k2m9qx1 site-a --proxies 3 --out site-a.json',
    'backhaul sites package c7k2m9qx1 site-c --mlms 2 --redundant --mlm-url https://m1:7444,https://m2:7444 --out site-c.json',
    'backhaul sites package c7k2m9qx1 site-b --mlms 0 --proxies 1 --out site-b.json',
  ],
  run: async ({ api, args, options, cli }) => {
    const out = options.text('out');
    if (out === undefined && !options.flag('json'))
      throw usage('--out is needed, or --json to print the package with its tokens');
    const path = `/customers/${encodeURIComponent(args[0]!)}/sites/${encodeURIComponent(args[1]!)}/package`;
    const made = await (await api()).post(path, issuedPackage, packageRequest(options));
    if (out !== undefined)
      await writeFileAtomic(resolve(cli.directory, out), `${JSON.stringify(made, null, 2)}\n`, 0o600);
    const ids = made.components.map(({ id }) => id);
    const text = `Package for ${ids.length} components: ${printable(ids.join(', '))}.\nNext, on each machine: backhaul enrol --package ${out} --component <id> --data <folder>`;
    return {
      json: out === undefined ? made : { file: out, components: made.components.map(({ id, kind }) => ({ id, kind })) },
      text,
    };
  },
};

function packageRequest(options: VerbOptions): object {
  const id = options.text('parentId');
  const url = options.text('parentUrl');
  if ((id === undefined) !== (url === undefined)) throw usage('--parent-id and --parent-url go together');
  const mlmUrls = (options.text('mlmUrl') ?? '').split(',').filter((one) => one !== '');
  return {
    mlms: options.number('mlms') ?? 1,
    proxies: options.number('proxies') ?? 1,
    ...(id === undefined ? {} : { parent: { id, url } }),
    ...{ mlmUrls, redundant: options.flag('redundant') },
    names: (options.text('names') ?? '').split(',').filter((name) => name !== ''),
  };
}
