import { BackhaulError, ERRORS, systemClock, systemRandom, toBackhaulError, VERSION } from '@backhaul/runtime';
import { type Command, CommanderError } from 'commander';
import { type CliContext, widthOf } from './cli-context.ts';
import { ApiClient } from './client.ts';
import { commandTree } from './command-tree.ts';
import { findConnection } from './connection.ts';
import { printable, printableLines } from './terminal-text.ts';
import { type Result, type Verb, type VerbCall, VerbOptions } from './verb.ts';
import { VERBS } from './verbs/index.ts';

export const EXIT = { done: 0, failed: 1, usage: 2 } as const;

const FILE_TROUBLES = new Set(['EACCES', 'EPERM', 'EROFS', 'ENOSPC', 'EDQUOT', 'ENOTDIR', 'EISDIR']);

/** The `backhaul` command. Never throws; gives the exit code: 0 done, 1 failed, 2 wrong usage. */
export function main(argv: readonly string[], env: NodeJS.ProcessEnv): Promise<number> {
  for (const stream of [process.stdout, process.stderr]) stream.on('error', ignoreClosedPipe);
  return runCli(argv, {
    env,
    directory: process.cwd(),
    stdin: process.stdin,
    stdout: process.stdout,
    stderr: process.stderr,
    clock: systemClock,
    random: systemRandom,
  });
}

/** Whoever read the output has gone (`| head`): no work ends for that. */
function ignoreClosedPipe(error: NodeJS.ErrnoException): void {
  if (error.code !== 'EPIPE') throw error;
}

/** The same over any context. */
export async function runCli(
  argv: readonly string[],
  cli: CliContext,
  verbs: readonly Verb[] = VERBS,
): Promise<number> {
  let exitCode: number = EXIT.done;
  const program = commandTree(verbs, VERSION, async (verb, args, options) => {
    exitCode = await runVerb(cli, verb, args, options);
  });
  writeTo(cli, program);
  try {
    await program.parseAsync(argv, { from: 'user' });
    return exitCode;
  } catch (thrown) {
    const show = { json: argv.includes('--json'), debug: argv.includes('--debug') };
    return thrown instanceof CommanderError ? commanderExit(cli, thrown, show) : reportFailure(cli, thrown, show);
  }
}

/** Help goes where the context says; errors are printed by us, with a code. */
function writeTo(cli: CliContext, command: Command): void {
  command.configureOutput({
    writeOut: (text) => void cli.stdout.write(text),
    writeErr: (text) => void cli.stderr.write(text),
    outputError: () => {},
  });
  for (const below of command.commands) writeTo(cli, below);
}

async function runVerb(
  cli: CliContext,
  verb: Verb,
  args: readonly string[],
  options: Readonly<Record<string, unknown>>,
): Promise<number> {
  let client: ApiClient | undefined;
  const read = new VerbOptions(options);
  const call: VerbCall = {
    cli,
    args,
    options: read,
    width: widthOf(cli.stdout),
    api: async () => (client ??= new ApiClient(await findConnection(cli, read))),
  };
  try {
    return printResult(cli, await verb.run(call), read.flag('json'));
  } catch (thrown) {
    return reportFailure(cli, thrown, { json: read.flag('json'), debug: read.flag('debug') });
  } finally {
    await client?.close();
  }
}

function printResult(cli: CliContext, result: Result, json: boolean): number {
  if (json && result.json !== undefined) cli.stdout.write(`${JSON.stringify(result.json, null, 2)}\n`);
  if (!json && result.text !== undefined) cli.stdout.write(`${result.text}\n`);
  return result.exitCode ?? EXIT.done;
}

/** Code, sentence, what exactly. The stack only when asked for. */
function reportFailure(cli: CliContext, thrown: unknown, show: { json: boolean; debug: boolean }): number {
  const error = fileTrouble(thrown) ?? toBackhaulError(thrown);
  if (show.json) cli.stdout.write(`${JSON.stringify({ error: error.toProblem() }, null, 2)}\n`);
  cli.stderr.write(`backhaul: ${error.code}: ${ERRORS[error.code].sentence}\n`);
  const detail = error.detail ?? unexpected(error);
  if (detail) cli.stderr.write(`  ${printableLines(detail).replaceAll('\n', '\n  ')}\n`);
  if (error.retryAfterMs) cli.stderr.write(`  Try again in ${Math.ceil(error.retryAfterMs / 1000)} s.\n`);
  if (show.debug) cli.stderr.write(`${stackOf(error)}\n`);
  return error.code === 'BH-E-USAGE' ? EXIT.usage : EXIT.failed;
}

/** The operator's disk or permissions, not our bug. */
function fileTrouble(thrown: unknown): BackhaulError | undefined {
  const { code, message, syscall } = (thrown ?? {}) as NodeJS.ErrnoException;
  if (syscall === undefined || !FILE_TROUBLES.has(code ?? '')) return undefined;
  return new BackhaulError('BH-E-FILE', { detail: message, cause: thrown });
}

function unexpected(error: BackhaulError): string | undefined {
  if (error.code !== 'BH-E-INTERNAL') return undefined;
  const cause = error.cause instanceof Error ? error.cause.message : String(error.cause ?? '');
  return `${printable(cause)}\nRun it again with --debug to see where.`.trim();
}

function stackOf(error: Error): string {
  const cause = error.cause instanceof Error ? `\ncaused by ${stackOf(error.cause)}` : '';
  return `${error.stack ?? error.message}${cause}`;
}

/** Asking for help or the version is no failure; help shown because a verb was missing is. */
function commanderExit(cli: CliContext, error: CommanderError, show: { json: boolean; debug: boolean }): number {
  if (error.exitCode === 0) return EXIT.done;
  if (error.code === 'commander.help') return EXIT.usage;
  return reportFailure(cli, new BackhaulError('BH-E-USAGE', { detail: error.message.replace(/^error: /, '') }), show);
}
