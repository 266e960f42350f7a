import { createHash } from 'node:crypto';
import { appendFileSync, readFileSync } from 'node:fs';
import type { Sent } from '../../invariants/total-queue.ts';

/**
 * What the load generator knows, one line of JSON for each step, written before the next step is taken. It stands apart from
 * everything that faults are injected into.
 */
export type JournalLine =
  /** about to be handed in: `[uid, sha256 of the content]` */
  | {
      readonly t: 'intent';
      readonly sender: string;
      readonly turn: number;
      readonly items: readonly [string, string][];
    }
  /** answered as accepted: `[uid, id, lane, sequence]` */
  | {
      readonly t: 'accepted';
      readonly source: string;
      readonly epoch: string;
      readonly items: readonly [string, string, number, number][];
    }
  /** answered as refused: uids */
  | { readonly t: 'refused'; readonly items: readonly string[] }
  /** about to be given, and given, to these members */
  | { readonly t: 'command'; readonly id: string; readonly members: readonly string[] };

/** The hash both sides compare by. */
export function contentHash(json: string): string {
  return createHash('sha256').update(json).digest('hex').slice(0, 32);
}

export class Journal {
  readonly #path: string;

  constructor(path: string) {
    this.#path = path;
  }

  write(line: JournalLine): void {
    appendFileSync(this.#path, `${JSON.stringify(line)}\n`);
  }
}

export interface ReadJournal {
  readonly sent: readonly Sent[];
  readonly commands: readonly { readonly id: string; readonly members: readonly string[] }[];
}

type Open = { -readonly [K in keyof Sent]: Sent[K] };

/** What was handed in, each message with how it was answered at last. */
export function readJournal(path: string): ReadJournal {
  const sent = new Map<string, Open>();
  const commands: { id: string; members: readonly string[] }[] = [];
  for (const text of readFileSync(path, 'utf8').split('\n')) {
    if (text === '') continue;
    const line = JSON.parse(text) as JournalLine;
    if (line.t === 'command') commands.push({ id: line.id, members: line.members });
    if (line.t === 'intent')
      line.items.forEach(([uid, sha256], index) => {
        sent.set(uid, { uid, sha256, outcome: 'unknown', sender: line.sender, turn: line.turn + index });
      });
    if (line.t === 'refused') for (const uid of line.items) sent.get(uid)!.outcome = 'refused';
    if (line.t === 'accepted')
      for (const [uid, id, lane, sequence] of line.items)
        Object.assign(sent.get(uid)!, {
          outcome: 'accepted',
          id,
          place: { source: line.source, epoch: line.epoch, lane, sequence },
        });
  }
  return { sent: [...sent.values()], commands };
}
