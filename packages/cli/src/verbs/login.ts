import { mkdirSync } from 'node:fs';
import { dirname } from 'node:path';
import { Secret, writeFileAtomic } from '@backhaul/runtime';
import { z } from 'zod';
import { ApiClient } from '../client.ts';
import { checkedUrl, givenRoots, givenToken, loginFile } from '../connection.ts';
import { usage, type Verb } from '../verb.ts';

/** Tries the credentials first; what does not work is not stored. */
export const login: Verb = {
  path: 'login',
  summary: 'remember an application server: address, secret and trust roots, in a file only you can read',
  description:
    'The secret is read from a file or from standard input, never from the command line, which others can see.',
  options: [],
  connects: true,
  examples: [
    'backhaul login --url https://provider.example:8443 --token-file secret.txt --roots roots.pem',
    'ssh provider cat /var/lib/backhaul/appserver/admin-secret | backhaul login --url https://provider.example:8443 --token-file - --roots roots.pem',
  ],
  run: async ({ cli, options }) => {
    const url = checkedUrl(options.text('url') ?? cli.env['BACKHAUL_URL'] ?? missing('--url'));
    const token = (await givenToken(cli, options)) ?? missing('--token-file');
    const roots = givenRoots(cli, options);
    const version = await versionOf(url, token, roots);
    const file = loginFile(cli.env);
    mkdirSync(dirname(file), { recursive: true, mode: 0o700 });
    await writeFileAtomic(
      file,
      `${JSON.stringify({ url, token, ...(roots === undefined ? {} : { roots }) }, null, 2)}\n`,
      0o600,
    );
    return { json: { url, file, version }, text: `Logged in to ${url} (version ${version}); kept in ${file}.` };
  },
};

async function versionOf(url: string, token: string, roots: string | undefined): Promise<string> {
  const client = new ApiClient({ url, token: new Secret(token), roots, from: 'login' });
  try {
    await client.get('/status', z.unknown());
    return (await client.get('/version', z.looseObject({ version: z.string() }))).version;
  } finally {
    await client.close();
  }
}

function missing(option: string): never {
  throw usage(`${option} is needed`);
}
