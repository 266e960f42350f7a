// The oracle, a process of its own: sees intents, acceptances and effects, and nothing of what lies between.
//   node test/faults/oracle/main.ts <journal> <database of the application server>
import { compareTotals, type Effect, type Place, type Sent, type Verdict } from '../../invariants/total-queue.ts';
import { type ReadJournal, readJournal } from '../load/journal.ts';
import { readFarEnd } from './effects.ts';

export interface OracleVerdict {
  readonly messages: Verdict;
  /** each member of each command that was given, and its answers */
  readonly commands: Verdict;
}

const [journalPath, databasePath] = process.argv.slice(2);
// the far end first: what comes out after this look is missing, never a phantom, and nothing does once the load rests
const farEnd = readFarEnd(databasePath!);
const journal = readJournal(journalPath!);
// a command that was not answered, and the word of an MLM for a member that did not call, are no answers to what was given
const given = new Set(journal.commands.flatMap(({ id, members }) => members.map((member) => `${id}/${member}`)));
const expired = new Set(farEnd.expired);
const verdict: OracleVerdict = {
  messages: compareTotals(journal.sent, [...farEnd.effects, ...mergedEffects(journal, farEnd.merged)], farEnd.explain),
  commands: compareTotals(
    commandsOf(journal),
    farEnd.answers.filter(({ uid }) => given.has(uid!)),
    ({ source }) => (expired.has(source) ? 'expired' : undefined),
  ),
};
process.stdout.write(JSON.stringify(verdict));

/** What came out inside an aggregate came out: its place says which it was. What an MLM had from elsewhere is not looked at. */
function mergedEffects({ sent }: ReadJournal, merged: readonly Place[]): Effect[] {
  const byPlace = new Map(
    sent.flatMap((message) => (message.place === undefined ? [] : [[keyOf(message.place), message]])),
  );
  return merged.flatMap((place) => {
    const message = byPlace.get(keyOf(place));
    return message === undefined ? [] : [{ uid: message.uid, id: message.id!, sha256: message.sha256 }];
  });
}

function keyOf({ source, epoch, lane, sequence }: Place): string {
  return `${source} ${epoch} ${lane} ${sequence}`;
}

/** A command is handed in once for each member, and its answer comes out once for each. */
function commandsOf({ commands }: ReadJournal): Sent[] {
  return commands.flatMap(({ id, members }, turn) =>
    members.map((member): Sent => {
      const uid = `${id}/${member}`;
      const place = { source: uid, epoch: '', lane: 0, sequence: turn };
      return { uid, sha256: id, outcome: 'accepted', place, sender: member, turn };
    }),
  );
}
