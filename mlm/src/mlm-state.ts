import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Clock, Component, Logger } from '@backhaul/runtime';
import {
  commitChanges,
  type Mailboxes,
  type Numbering,
  renewAfterRestore,
  type Seen,
  type Spool,
  type Store,
} from '@backhaul/spool';
import type { Aggregation } from './aggregation/aggregation.ts';
import { loadGroups } from './aggregation/load-groups.ts';
import type { DownMarks } from './back-channel/down-marks.ts';
import { type Membership, parseMembership } from './membership/membership.ts';
import type { Transfers } from './transfers/transfers.ts';

export interface MlmStateOptions {
  readonly dataDirectory: string;
  readonly store: Store;
  readonly spool: Spool;
  readonly mailboxes: Mailboxes;
  readonly numbering: Numbering;
  /** of what goes down */
  readonly saidDown: Numbering;
  readonly seen: Seen;
  readonly membership: Membership;
  readonly marks: DownMarks;
  readonly aggregation: Aggregation;
  readonly transfers: Transfers;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** Brings what the store holds into memory: at the start, and again after the store was reopened. */
export class MlmState implements Component {
  readonly name = 'state';
  readonly #options: MlmStateOptions;
  #listening = false;

  constructor(options: MlmStateOptions) {
    this.#options = options;
  }

  async start(): Promise<void> {
    const { dataDirectory, store, spool, mailboxes, numbering, saidDown, seen, logger } = this.#options;
    const report = await spool.load(); // these five load again by themselves
    await mailboxes.load();
    await numbering.load();
    await saidDown.load();
    await renewAfterRestore(dataDirectory, { store, numbering, logger });
    await seen.load();
    if (!this.#listening) store.onReopened(() => this.#loadOwn());
    this.#listening = true;
    await this.#loadOwn();
    await this.#takeSiteMembership();
    logger.info({ messages: report.messages, gaps: report.gaps.length }, 'state loaded');
  }

  async stop(): Promise<void> {}

  async #loadOwn(): Promise<void> {
    const { store, membership, marks, aggregation, transfers, clock, logger } = this.#options;
    await membership.load();
    await marks.load();
    aggregation.replace(await loadGroups(store, clock, logger));
    await transfers.load();
  }

  /** The site package brings a first version; a newer one in the store stays. */
  async #takeSiteMembership(): Promise<void> {
    const { dataDirectory, store, membership, logger } = this.#options;
    const file = join(dataDirectory, 'membership.json');
    const text = await readFile(file, 'utf8').catch((error: NodeJS.ErrnoException) => {
      if (error.code === 'ENOENT') return undefined;
      throw error;
    });
    if (text === undefined) return;
    const staged = membership.stage(parseMembership(text));
    if (staged === undefined) return;
    await commitChanges(store, [staged.change]);
    logger.info({ version: staged.tree.version }, 'membership taken from the site package');
  }
}
