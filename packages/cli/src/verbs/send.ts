import type { Clock } from '@backhaul/runtime';
import { type CommandDocument, command, created } from '../api-shapes.ts';
import type { ApiClient } from '../client.ts';
import { renderTable } from '../table.ts';
import { printable, printableLines } from '../terminal-text.ts';
import { type Result, usage, type Verb, type VerbOptions } from '../verb.ts';
import { waitUntil } from '../wait-until.ts';

const DEFAULT_WAIT_MS = 30_000;
const ASK_EVERY_MS = 200;

export const send: Verb = {
  path: 'send',
  summary: 'send a command to a component or a group; the answers are kept with it',
  arguments: [['<command>', 'ping, get-status or get-configuration; or the ID of a command sent before, with --show']],
  options: [
    ['--group <name>', 'all members of a group; every site is one'],
    ['--component <id>', 'one component'],
    ['--instance <id>', 'one support instance, by whichever of its proxies takes it'],
    ['--parameters <json>', 'parameters of the command'],
    ['--expires <time>', 'give up after this time (5m, 2h)'],
    ['--wait', 'wait until all have answered; exit code 1 when one has not, or has refused'],
    ['--timeout <time>', 'how long to wait (30s when left out)'],
    ['--show', 'show a command sent before, by its ID'],
  ],
  connects: true,
  examples: [
    'backhaul send --group site-a get-status --wait',
    'backhaul send --component c7k2m9qx1.p1 ping --wait --timeout 1m',
    'backhaul send --show 06f3x…',
  ],
  run: async ({ api, args, options, cli, width }) => {
    const client = await api();
    if (options.flag('show')) return shown(await readCommand(client, args[0]!), width, false);
    const sent = await client.post('/commands', created, commandRequest(args[0]!, options));
    if (!options.flag('wait'))
      return {
        json: sent,
        text: `Sent as ${printable(sent.id)}. See the answers: backhaul send --show ${printable(sent.id)}`,
      };
    const answered = await answersOf(client, cli.clock, sent.id, options.durationMs('timeout') ?? DEFAULT_WAIT_MS);
    return shown(answered, width, true);
  },
};

function commandRequest(name: string, options: VerbOptions): object {
  const group = options.text('group');
  const component = options.text('component');
  const instance = options.text('instance');
  const given = [{ group }, { component }, { instance }].filter((one) => Object.values(one)[0] !== undefined);
  if (given.length !== 1) throw usage('give one of --group, --component and --instance');
  const expiresInMs = options.durationMs('expires');
  const parameters = options.text('parameters');
  return {
    destination: given[0],
    command: name,
    ...(parameters === undefined ? {} : { parameters: asObject(parameters) }),
    ...(expiresInMs === undefined ? {} : { expiresInMs }),
  };
}

function asObject(text: string): object {
  try {
    const value: unknown = JSON.parse(text);
    if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value;
  } catch {
    // the same answer for both
  }
  throw usage('--parameters must be a JSON object');
}

export function readCommand(client: ApiClient, id: string): Promise<CommandDocument> {
  return client.get(`/commands/${encodeURIComponent(id)}`, command);
}

/** Until every member has said its last word, or the time is over. */
export async function answersOf(
  client: ApiClient,
  clock: Clock,
  id: string,
  timeoutMs: number,
): Promise<CommandDocument> {
  const isAnswered = ({ members }: CommandDocument): boolean =>
    members.length > 0 && members.every(({ state }) => state !== 'pending' && state !== 'accepted');
  const { answer } = await waitUntil(clock, () => readCommand(client, id), isAnswered, {
    timeoutMs,
    everyMs: ASK_EVERY_MS,
  });
  return answer;
}

function shown(document: CommandDocument, width: number | undefined, judged: boolean): Result {
  const text = renderTable(
    document.members,
    [
      { title: 'COMPONENT', value: (row) => row.component },
      { title: 'STATE', value: (row) => row.state },
      { title: 'ANSWER', value: (row) => asLine(row.result), flexible: true },
    ],
    width,
  );
  const paths = pathsText(document);
  const allDone = document.members.length > 0 && document.members.every(({ state }) => state === 'done');
  return { json: document, text: paths === '' ? text : `${text}\n\n${paths}`, exitCode: judged && !allDone ? 1 : 0 };
}

/** The ways to those that have several, and how far it is on each. */
function pathsText({ members }: CommandDocument): string {
  const lines = members.flatMap(({ component, paths }) =>
    (paths ?? []).map(({ path, state, code }) => `${component} by ${path}: ${state}${code ? ` ${code}` : ''}`),
  );
  return printableLines(lines.join('\n'));
}

/** Characters of an answer shown in the table; `--json` shows it whole. */
const LINE = 120;

/** The plain values of an answer, its depths as `…`: what a person wants at a glance. */
function asLine(result: unknown): string | undefined {
  if (result === undefined || result === null) return undefined;
  if (typeof result !== 'object') return cut(String(result));
  const fields = Object.entries(result).map(([key, value]) => `${key} ${isDeep(value) ? '…' : String(value)}`);
  return cut(fields.join(', '));
}

function isDeep(value: unknown): boolean {
  return typeof value === 'object' && value !== null;
}

function cut(text: string): string {
  return text.length <= LINE ? text : `${text.slice(0, LINE - 1)}…`;
}
