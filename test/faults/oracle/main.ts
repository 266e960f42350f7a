// The oracle, a process of its own: sees intents, acceptances and effects, and nothing of what lies between.
//   node test/faults/oracle/main.ts <journal> <database of the application server>
import { compareTotals, type Sent, type Verdict } from '../../invariants/total-queue.ts';
import { type ReadJournal, readJournal } from '../load/journal.ts';
import { readFarEnd } from './effects.ts';

export interface OracleVerdict {
  readonly messages: Verdict;
  /** each member of each command that was given, and its answers */
  readonly commands: Verdict;
}

const [journalPath, databasePath] = process.argv.slice(2);
// the journal first: what is accepted after this may come out and is no phantom, for it is not in it
const farEndFirst = readFarEnd(databasePath!);
const journal = readJournal(journalPath!);
const verdict: OracleVerdict = {
  messages: compareTotals(journal.sent, farEndFirst.effects, farEndFirst.explain),
  commands: compareTotals(
    commandsOf(journal),
    farEndFirst.answers.filter(({ sha256 }) => journal.commands.some(({ id }) => id === sha256)),
    () => undefined,
  ),
};
process.stdout.write(JSON.stringify(verdict));

/** A command is handed in once for each member, and its answer comes out once for each. */
function commandsOf({ commands }: ReadJournal): Sent[] {
  return commands.flatMap(({ id, members }, turn) =>
    members.map((member) => ({
      uid: `${id}/${member}`,
      sha256: id,
      outcome: 'accepted' as const,
      sender: member,
      turn,
    })),
  );
}
