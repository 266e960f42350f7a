import { jsonData } from '@backhaul/envelope';
import { BackhaulError, type Clock, type Component, type Logger, Repeating } from '@backhaul/runtime';
import type { Directory } from '../directory/directory.ts';
import type { Downward, DownwardRequest } from '../mailboxes/downward.ts';
import type { Database, Transaction } from '../store/database.ts';

const EVERY_MS = 1_000;
/** Sent in one transaction; the next ones a moment later. */
const BATCH = 100;

/** Paths whose time has come while nobody has accepted, of commands that are not over. */
const DUE = `SELECT p."commandId", p."member", p."path", p."instance", c."command", c."parameters", c."expiresAt"
  FROM "commandPaths" p JOIN "commands" c ON c."id" = p."commandId"
  JOIN "commandMembers" m ON m."commandId" = p."commandId" AND m."component" = p."member"
  WHERE p."state" = 'planned' AND p."at" <= ?1 AND m."state" = 'pending' AND c."expiresAt" > ?1 ORDER BY p."at" LIMIT ${BATCH}`;

interface DuePath {
  readonly commandId: string;
  readonly member: string;
  readonly path: string;
  readonly instance: string;
  readonly command: string;
  readonly parameters: string;
  readonly expiresAt: number;
}

export interface LaterPathsOptions {
  readonly database: Database;
  readonly directory: Directory;
  readonly downward: Downward;
  readonly clock: Clock;
  readonly logger: Logger;
}

/**
 * Sends a command to a support instance by its next path when the one before has not accepted it in time. All messages of
 * one command carry one event key, `command/<id>`, so that whoever gets a second one knows it.
 */
export class LaterPaths implements Component {
  readonly name = 'later paths';
  readonly #options: LaterPathsOptions;
  readonly #repeating: Repeating;

  constructor(options: LaterPathsOptions) {
    this.#options = options;
    this.#repeating = new Repeating(options.clock, EVERY_MS, () => this.#sendDue());
  }

  async start(): Promise<void> {
    this.#repeating.start();
  }

  stop(): Promise<void> {
    return this.#repeating.stop();
  }

  async #sendDue(): Promise<void> {
    const { database, clock, logger } = this.#options;
    try {
      const due = await database.read<DuePath>(DUE, [clock.now()]);
      if (due.length > 0) await database.transaction((tx) => this.#sendAll(tx));
    } catch (error) {
      logger.error({ error }, 'a command could not be sent by another path');
    }
  }

  /** Asked for again in the transaction: an answer may have come meanwhile. */
  async #sendAll(tx: Transaction): Promise<void> {
    const now = this.#options.clock.now();
    for (const due of await tx.all<DuePath>(DUE, [now])) await this.#send(tx, due, now);
  }

  async #send(tx: Transaction, due: DuePath, now: number): Promise<void> {
    const { downward, directory, logger } = this.#options;
    const { commandId, path, instance, member } = due;
    const request: DownwardRequest = {
      ...{ class: 'command', subclass: due.command, content: jsonData({ parameters: JSON.parse(due.parameters) }) },
      ...{ destination: { kind: 'component', id: path }, members: [path], expiresInMs: due.expiresAt - now },
      ...{ instance, eventKey: () => `command/${commandId}` },
    };
    // what is refused halfway (a full mailbox) leaves neither a number nor a copy that nobody will have
    const sent = await tx
      .savepoint(() => downward.send(tx, directory.tree, request))
      .then((messageId) => ({ messageId, state: 'sent' as const }))
      .catch((error) => refused(error));
    logger.info({ id: commandId, member, path, state: sent.state }, 'a command goes by another path');
    await tx.db
      .updateTable('commandPaths')
      .set({ ...sent, at: now, updatedAt: now })
      .where((eb) => eb.and({ commandId, member, path }))
      .execute();
  }
}

/** A mailbox that is full, a path that is gone: the other ones stay. */
function refused(error: unknown) {
  if (!(error instanceof BackhaulError) || error.code === 'BH-E-SPOOL-STOPPED') throw error;
  return { state: 'refused' as const, code: error.code, text: error.detail ?? error.sentence };
}
