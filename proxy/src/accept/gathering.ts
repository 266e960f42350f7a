import { LIMITS } from '@backhaul/envelope';
import type { BackhaulError } from '@backhaul/runtime';
import { commitChanges, type Store } from '@backhaul/spool';
import type { Draft, Outbox, Placed, StagedMessages } from '@backhaul/transport';

/** Messages of one commit at most, and of what is staged in one piece: what one envelope takes. */
const COMMIT_MESSAGES = 4 * LIMITS.messages;
const PIECE_MESSAGES = LIMITS.messages;

/** One for each draft, in order: its place, or why it has none. */
export type Places = readonly (Placed | BackhaulError)[];

interface Request {
  readonly drafts: readonly Draft[];
  readonly resolve: (places: Places) => void;
  readonly reject: (error: unknown) => void;
}

/**
 * The requests that come while a commit is being written are numbered together when it has ended: one record of each lane and one
 * commit for all of them, however small each is. Nothing waits for others to come. Numbers and commit stand in one tick.
 */
export class Gathering {
  readonly #outbox: Outbox;
  readonly #store: Store;
  #waiting: Request[] = [];
  #isCommitting = false;

  constructor({ outbox, store }: { outbox: Outbox; store: Store }) {
    this.#outbox = outbox;
    this.#store = store;
  }

  /** Resolves when all that got a place are durable. Rejects with BH-E-SPOOL-FULL, BH-E-SPOOL-STOPPED; then none was taken. */
  commit(drafts: readonly Draft[]): Promise<Places> {
    return new Promise((resolve, reject) => {
      this.#waiting.push({ drafts, resolve, reject });
      if (!this.#isCommitting) void this.#commitAll();
    });
  }

  async #commitAll(): Promise<void> {
    this.#isCommitting = true;
    await undefined; // requests of the same tick go together
    while (this.#waiting.length > 0) {
      const requests = takeSome(this.#waiting, COMMIT_MESSAGES);
      const pieces: Promise<void>[] = [];
      while (requests.length > 0) pieces.push(this.#commitPiece(takeSome(requests, PIECE_MESSAGES)));
      await Promise.all(pieces);
    }
    this.#isCommitting = false;
  }

  /** As one record of each lane; when there is no room for all, each request for itself. Never rejects. */
  async #commitPiece(requests: readonly Request[]): Promise<void> {
    let staged: StagedMessages;
    try {
      staged = this.#outbox.stage(requests.flatMap(({ drafts }) => drafts));
    } catch (error) {
      if (requests.length === 1) requests[0]!.reject(error);
      else await Promise.all(requests.map((request) => this.#commitPiece([request])));
      return;
    }
    try {
      if (staged.changes.length > 0) await commitChanges(this.#store, staged.changes);
      let from = 0;
      for (const { drafts, resolve } of requests) resolve(staged.results.slice(from, (from += drafts.length)));
    } catch (error) {
      for (const { reject } of requests) reject(error);
    }
  }
}

/** The first requests, with so many messages in all at most; one at least. */
function takeSome(requests: Request[], messages: number): Request[] {
  let [count, sum] = [0, 0];
  for (const { drafts } of requests) {
    sum += drafts.length;
    if (count > 0 && sum > messages) break;
    count += 1;
  }
  return requests.splice(0, count);
}
