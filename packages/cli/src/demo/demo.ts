import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { toBackhaulError } from '@backhaul/runtime';
import { type CliContext, widthOf } from '../cli-context.ts';
import { formatDuration } from '../format.ts';
import { printable } from '../terminal-text.ts';
import type { Result } from '../verb.ts';
import { renderNextSteps, renderResult } from './demo-result.ts';
import { type DemoOptions, DemoRun } from './demo-run.ts';
import { DEMO_STEPS } from './demo-steps.ts';
import { StopRequest } from './stop-request.ts';

/** Runs the steps, prints what happened, keeps running until Ctrl-C (unless `once`), stops everything it has started. */
export async function runDemo(cli: CliContext, options: DemoOptions): Promise<Result> {
  const run = new DemoRun(cli, options);
  const stop = new StopRequest(cli.clock, () => run.kill());
  try {
    await Promise.race([runSteps(run), stop.asked]);
    if (stop.wasAsked) run.result.failed ??= { step: 'interrupted', code: 'BH-E-DRAINING', detail: 'told to stop' };
    report(run);
    if (run.result.ok && !options.once && !stop.wasAsked) {
      say(run, 'Running until Ctrl-C.');
      tellEnds(run);
      await stop.asked;
      return {};
    }
    return { exitCode: run.result.ok ? 0 : 1 };
  } finally {
    if (run.processes.size > 0) say(run, 'stopping …');
    await run.stop();
    stop.release();
  }
}

/** Nobody starts a process of the demo again: whoever watches should know that it is gone. */
function tellEnds(run: DemoRun): void {
  for (const [name, child] of run.processes)
    void child.exited.then(() => {
      if (child.unexpectedEnd === undefined || run.stopping) return;
      say(run, `${name} has ended (${child.unexpectedEnd}); its log: ${run.folder.logFile(name)}`);
      say(run, '  The others go on and keep what they accept. Ctrl-C and a new start take up everything.');
    });
}

async function runSteps(run: DemoRun): Promise<void> {
  const { clock } = run.cli;
  const begin = clock.monotonic();
  for (const step of DEMO_STEPS) {
    const at = clock.monotonic();
    try {
      const line = await step.run(run);
      if (run.stopping) return;
      say(run, `✓ ${line} (${formatDuration(clock.monotonic() - at)})`);
    } catch (thrown) {
      if (run.stopping) return;
      fail(run, step.does, thrown);
      break;
    }
  }
  run.result.durationMs = Math.round(clock.monotonic() - begin);
  run.result.ok = run.result.failed === undefined;
}

function fail(run: DemoRun, step: string, thrown: unknown): void {
  const error = toBackhaulError(thrown);
  const ended = run.ended();
  const cause = error.cause instanceof Error ? error.cause.message : '';
  const detail = [
    error.detail ?? (error.code === 'BH-E-INTERNAL' ? cause : error.sentence),
    ...(ended.length > 0 ? [`these processes have ended: ${ended.join(', ')}`] : []),
  ].join('; ');
  run.result.failed = { step, code: error.code, detail };
  say(run, `✗ did not happen: ${step}`);
  say(run, `  ${error.code}: ${detail}`);
  say(run, `  Logs: ${run.folder.file('logs')}`);
}

/** The result alone on standard output when it is JSON; otherwise tables, and where to go from here. */
function report(run: DemoRun): void {
  const { cli, options, result } = run;
  if (options.json) {
    cli.stdout.write(`${JSON.stringify(result, null, 2)}\n`);
    return;
  }
  if (!result.ok) return;
  cli.stdout.write(`\n${renderResult(result, widthOf(cli.stdout))}\n`);
  if (!options.once) cli.stdout.write(`\n${renderNextSteps(nextSteps(run))}\n\n`);
}

function say(run: DemoRun, line: string): void {
  run.cli.stderr.write(`${printable(line)}\n`);
}

function nextSteps(run: DemoRun): Parameters<typeof renderNextSteps>[0] {
  const { cli, folder, result, adminSecret, sampleMessage } = run;
  const inCheckout = existsSync(join(cli.directory, 'bin', 'backhaul.mjs'));
  const foundByItself = folder.path === join(cli.directory, '.backhaul');
  const secret = folder.file('appserver/admin-secret');
  const roots = folder.file('appserver/identity/roots.pem');
  return {
    portal: result.portal,
    secret: adminSecret,
    messageId: sampleMessage,
    command: inCheckout ? 'node bin/backhaul.mjs' : 'backhaul',
    before: foundByItself
      ? []
      : [`export BACKHAUL_URL=${result.portal} BACKHAUL_TOKEN_FILE=${secret} BACKHAUL_ROOTS=${roots}`],
  };
}
