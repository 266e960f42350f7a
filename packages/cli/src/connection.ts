import { existsSync, readFileSync, statSync } from 'node:fs';
import { homedir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { text as readAll } from 'node:stream/consumers';
import { BackhaulError, Secret } from '@backhaul/runtime';
import { z } from 'zod';
import type { CliContext } from './cli-context.ts';
import { usage, type VerbOptions } from './verb.ts';

/** Where the staff API is, who asks, and whom to trust. */
export interface Connection {
  readonly url: string;
  readonly token: Secret;
  /** PEM; undefined: the system's roots */
  readonly roots: string | undefined;
  /** where it was found, for people */
  readonly from: string;
}

const stored = z.strictObject({ url: z.url(), token: z.string().min(1), roots: z.string().optional() });
export type StoredConnection = z.infer<typeof stored>;

/** Each of the three values comes from the first place that has it: option, environment, demo folder, login file. */
export async function findConnection(cli: CliContext, options: VerbOptions): Promise<Connection> {
  const file = connectionFile(cli);
  const kept = file === undefined ? undefined : readConnectionFile(file);
  const url = options.text('url') ?? cli.env['BACKHAUL_URL'] ?? kept?.url;
  const sameServer = kept !== undefined && kept.url === url;
  const token = (await givenToken(cli, options)) ?? (sameServer ? kept.token : undefined);
  if (url === undefined || token === undefined) {
    throw usage('no application server is known here; run `backhaul login`, or give --url and --token-file');
  }
  return {
    url: checkedUrl(url),
    token: new Secret(token),
    roots: givenRoots(cli, options) ?? (sameServer ? kept.roots : undefined),
    from: sameServer && file !== undefined ? file : 'options and environment',
  };
}

/** The secret named by option or environment. */
export async function givenToken(cli: CliContext, options: VerbOptions): Promise<string | undefined> {
  const file = options.text('tokenFile');
  if (file === '-') return (await readAll(cli.stdin)).trim();
  if (file !== undefined) return readGiven(cli, file, 'the token file').trim();
  if (cli.env['BACKHAUL_TOKEN']) return cli.env['BACKHAUL_TOKEN'];
  const fromEnv = cli.env['BACKHAUL_TOKEN_FILE'];
  return fromEnv ? readGiven(cli, fromEnv, 'BACKHAUL_TOKEN_FILE').trim() : undefined;
}

export function givenRoots(cli: CliContext, options: VerbOptions): string | undefined {
  const file = options.text('roots') ?? cli.env['BACKHAUL_ROOTS'];
  return file === undefined ? undefined : readGiven(cli, file, 'the trust roots');
}

/** A secret never travels in the open: https only, with no path, query or user in it. */
export function checkedUrl(text: string): string {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url?.protocol !== 'https:' || url.username !== '' || url.search !== '' || url.pathname !== '/') {
    throw usage(`the address must look like https://host:port, not ${text}`);
  }
  return url.origin;
}

/** Where `backhaul login` keeps what it was told. */
export function loginFile(env: NodeJS.ProcessEnv): string {
  return join(env['XDG_CONFIG_HOME'] || join(env['HOME'] || homedir(), '.config'), 'backhaul', 'cli.json');
}

/** The demo folder's file from here upward, else the login file; undefined when there is neither. */
export function connectionFile(cli: CliContext): string | undefined {
  let directory = resolve(cli.directory);
  for (;;) {
    const candidate = join(directory, '.backhaul', 'cli.json');
    if (existsSync(candidate) && isOurs(candidate)) return candidate;
    if (dirname(directory) === directory) break;
    directory = dirname(directory);
  }
  const login = loginFile(cli.env);
  return existsSync(login) ? login : undefined;
}

/** A file found by chance is only believed when it is the user's own and nobody else could have written it. */
function isOurs(file: string): boolean {
  const { uid, mode } = statSync(file);
  return process.getuid === undefined || (uid === process.getuid() && (mode & 0o077) === 0);
}

function readConnectionFile(file: string): StoredConnection {
  try {
    return stored.parse(JSON.parse(readFileSync(file, 'utf8')));
  } catch (cause) {
    throw new BackhaulError('BH-E-CONFIG', { detail: `${file} cannot be read; run \`backhaul login\` again`, cause });
  }
}

function readGiven(cli: CliContext, file: string, what: string): string {
  try {
    return readFileSync(resolve(cli.directory, file), 'utf8');
  } catch (cause) {
    throw new BackhaulError('BH-E-USAGE', {
      detail: `${what} ${file} cannot be read: ${(cause as NodeJS.ErrnoException).code}`,
      cause,
    });
  }
}
