import type { Slot } from './eviction.ts';
import type { LaneRecord } from './lane-record.ts';
import { LANES, LaneState } from './lane-state.ts';
import type { Placed } from './placement.ts';
import { entryBytes } from './record.ts';
import { Shares } from './shares.ts';
import { Streams } from './streams.ts';
import { SupersedeIndex } from './supersede-index.ts';

/** What memory knows of all that is in the spool, as of the last submission; made anew by every load. */
export class SpoolContents {
  readonly lanes: readonly LaneState[];
  readonly shares = new Shares();
  readonly streams = new Streams();
  readonly superseded = new SupersedeIndex();
  messages = 0;
  bytes = 0;

  constructor(prefix: string) {
    this.lanes = LANES.map((lane) => new LaneState(prefix, lane));
  }

  /** Records that are submitted. */
  enter(placed: readonly Placed[]): void {
    for (const { lane, record, entries } of placed) {
      for (const [index, entry] of entries.entries()) {
        this.#count(record, entryBytes(entry), 1);
        this.superseded.add(entry, lane, record, index);
      }
    }
  }

  /** Entries that are marked as leaving. */
  leave({ record, entry }: Slot): void {
    this.#count(record, entryBytes(entry), -1);
    this.superseded.remove(entry);
  }

  /** Entries of a record that cannot be read any more: the bytes of each. */
  lose(record: LaneRecord, lost: readonly number[]): void {
    for (const bytes of lost) this.#count(record, bytes, -1);
  }

  #count({ share }: LaneRecord, bytes: number, messages: 1 | -1): void {
    this.messages += messages;
    this.bytes += messages * bytes;
    this.shares.count(share, bytes, messages);
  }
}
