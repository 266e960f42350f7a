import { Command, Option } from 'commander';
import type { Verb } from './verb.ts';

/** Common to all verbs. `--version` belongs to the program alone, so that a verb may have its own. */
const COMMON_OPTIONS = [
  ['--json', 'print one JSON document instead of text'],
  ['--debug', 'show the stack of an unexpected error'],
] as const;

const CONNECTION_OPTIONS = [
  ['--url <url>', 'staff API of the application server (BACKHAUL_URL)'],
  ['--token-file <file>', 'file with the secret, `-` for standard input (BACKHAUL_TOKEN, BACKHAUL_TOKEN_FILE)'],
  ['--roots <file>', 'PEM file with the trust roots (BACKHAUL_ROOTS)'],
] as const;

const GROUPS: Readonly<Record<string, string>> = {
  certs: 'the certificate authority',
  customers: 'customers',
  sites: 'sites of a customer',
  components: 'application servers, MLMs and proxies',
  groups: 'named sets of components',
  'dead-letters': 'messages that were set aside, and what becomes of them',
  notifications: 'what people are told, and by which way',
  mailboxes: 'what waits on its way down',
  artifacts: 'what is pushed to sites',
  config: 'configuration files',
};

const FOOTER = `
Roles run until they are told to stop. The other verbs speak with an application server: log in once with
\`backhaul login\`, or give --url, --token-file and --roots, or set BACKHAUL_URL, BACKHAUL_TOKEN_FILE and
BACKHAUL_ROOTS. Next to a demo folder (.backhaul) they find it by themselves.

Exit codes: 0 done, 1 failed, 2 wrong usage.`;

export type RunVerb = (
  verb: Verb,
  args: readonly string[],
  options: Readonly<Record<string, unknown>>,
) => Promise<void>;

/** The commander program for a list of verbs. */
export function commandTree(verbs: readonly Verb[], version: string, run: RunVerb): Command {
  const program = configured(new Command('backhaul'))
    .description(
      'A relay network for remote services: data up, commands and software down, over connections only the customer opens.',
    )
    .version(version, '--version', 'print the version')
    .enablePositionalOptions()
    .addHelpText('after', FOOTER);
  addOptions(program, COMMON_OPTIONS);
  for (const verb of verbs) addVerb(program, verb, run);
  for (const name of Object.keys(GROUPS)) addGroupExamples(program, name, verbs);
  return program;
}

function addVerb(program: Command, verb: Verb, run: RunVerb): void {
  const [first, second] = verb.path.split(' ') as [string, string | undefined];
  const parent = second === undefined ? program : groupCommand(program, first);
  const command = parent.command(second ?? first, {
    hidden: verb.internal === true,
    isDefault: verb.groupDefault === true,
  });
  configured(command)
    .summary(verb.summary)
    .description(verb.description ? `${verb.summary}\n\n${verb.description}` : verb.summary);
  for (const [name, description] of verb.arguments ?? []) command.argument(name, description);
  if (verb.passThrough) command.allowUnknownOption().allowExcessArguments().passThroughOptions().argument('[args...]');
  else addOptions(command, [...(verb.options ?? []), ...(verb.connects ? CONNECTION_OPTIONS : []), ...COMMON_OPTIONS]);
  command.addHelpText('after', examplesText(verb.examples));
  command.action(() => run(verb, command.args, command.optsWithGlobals()));
}

function groupCommand(program: Command, name: string): Command {
  const existing = program.commands.find((command) => command.name() === name);
  if (existing) return existing;
  const command = configured(program.command(name))
    .description(GROUPS[name] ?? name)
    .enablePositionalOptions();
  addOptions(command, COMMON_OPTIONS);
  return command;
}

function addGroupExamples(program: Command, name: string, verbs: readonly Verb[]): void {
  const examples = verbs.filter(({ path }) => path.startsWith(`${name} `)).map((verb) => verb.examples[0]!);
  program.commands.find((command) => command.name() === name)?.addHelpText('after', examplesText(examples));
}

function addOptions(command: Command, rows: readonly (readonly [string, string])[]): void {
  for (const [flags, description] of rows) command.addOption(new Option(flags, description));
}

/** Errors and exit codes are ours; commander only reads. */
function configured(command: Command): Command {
  return command
    .exitOverride()
    .allowExcessArguments(false)
    .showSuggestionAfterError(true)
    .configureHelp({ sortSubcommands: false, showGlobalOptions: false });
}

function examplesText(examples: readonly string[]): string {
  return `\nExamples:\n${examples.map((line) => `  ${line}`).join('\n')}`;
}
