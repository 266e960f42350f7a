import { created } from '../../api-shapes.ts';
import { answersOf } from '../../verbs/send.ts';
import { SITE } from '../demo-configs.ts';
import type { DemoRun } from '../demo-run.ts';
import type { DemoStep } from '../demo-steps.ts';
import { notInTime } from '../not-in-time.ts';

const COMMANDS = ['get-status', 'get-configuration'] as const;
const LIMIT_MS = 30_000;

/** One message to the group goes down once; each of the three proxies answers. */
export const checkCommands: DemoStep = {
  does: `ask the group ${SITE} for status and configuration, and have three answers to each`,
  run: async (run) => {
    const answered = await Promise.all(COMMANDS.map((command) => ask(run, command)));
    const proxies = run.proxyIds();
    const all = proxies.filter((id) => answered.every((ids) => ids.has(id)));
    run.result.downward.answered = all.length;
    if (all.length < proxies.length) {
      const silent = proxies.filter((id) => !all.includes(id));
      throw notInTime(`no answer from ${silent.join(', ')}`, run.folder.file('logs'));
    }
    return `${COMMANDS.join(' and ')} to the group ${SITE}: answered by ${all.length}`;
  },
};

/** Gives who has done it. */
async function ask(run: DemoRun, command: string): Promise<Set<string>> {
  const { id } = await run.api.post('/commands', created, { destination: { group: SITE }, command });
  const { members } = await answersOf(run.api, run.cli.clock, id, LIMIT_MS);
  const done = new Set(members.filter(({ state }) => state === 'done').map(({ component }) => component));
  run.result.downward.commands = [...run.result.downward.commands, { command, id, answered: done.size }].toSorted(
    byName,
  );
  return done;
}

function byName(a: { command: string }, b: { command: string }): number {
  return a.command < b.command ? -1 : 1;
}
