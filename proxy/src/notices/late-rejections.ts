import { payloadOf, type RejectedItem, readContent, readHeader, rejection } from '@backhaul/envelope';
import type { Clock } from '@backhaul/runtime';
import type { Change, Removed } from '@backhaul/spool';
import type { Directory } from '../directory/directory.ts';
import type { Effect } from '../downward/effect.ts';
import type { NoticeBoard } from './notice-board.ts';

const LOST: ReadonlySet<Removed['reason']> = new Set<Removed['reason']>(['expired', 'evicted', 'dead-letter']);

export interface LateRejectionsOptions {
  /** ID of this proxy */
  readonly self: string;
  readonly directory: Directory;
  readonly notices: NoticeBoard;
  readonly clock: Clock;
}

/** What was accepted from an integrator and then lost, here or further up, goes onto the board of notices for it. */
export class LateRejections {
  readonly #options: LateRejectionsOptions;

  constructor(options: LateRejectionsOptions) {
    this.#options = options;
  }

  /** What left the spool here, for the commit that takes it out. */
  ofSpool(removed: readonly Removed[]): readonly Change[] {
    const { self, clock } = this.#options;
    const lost = removed.filter(({ entry, reason }) => LOST.has(reason) && entry.class !== 'infrastructure');
    const at = clock.now();
    return this.#note(
      lost.map(({ entry, reason, code }) => [{ ...named(entry), ...coded(code), reason, by: self, at }, entry.via]),
    );
  }

  /** What a tier above tells. Throws BH-E-SCHEMA. */
  ofParent(body: Uint8Array): Effect {
    const { items } = payloadOf(rejection, readContent(body));
    return { drafts: [], changes: this.#note(items.map((item) => [item])) };
  }

  /** What belongs to no integrator that is known here is in the receipts only. */
  #note(lost: readonly (readonly [item: RejectedItem, via?: string | undefined])[]): readonly Change[] {
    const { directory, notices } = this.#options;
    const told = lost.flatMap(([item, via]) => {
      const integrator = via ?? directory.instance(item.instance ?? '')?.integrator;
      return integrator === undefined ? [] : [{ integrator, item }];
    });
    return told.length === 0 ? [] : [notices.stage(told)];
  }
}

function named({ id, class: cls, subclass, header }: Removed['entry']) {
  const { instance, eventKey } = readHeader(header);
  return {
    ...{ id, class: cls, subclass },
    ...(instance === undefined ? {} : { instance }),
    ...(eventKey === undefined ? {} : { eventKey }),
  };
}

function coded(code: string | undefined) {
  return code === undefined ? {} : { code };
}
