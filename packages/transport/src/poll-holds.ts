import type { MailboxReader } from '@backhaul/spool';

/**
 * The polls held open, at most one per owner: a second one ends the first. A hold ends when the mailbox has something,
 * when its time is over, when the client goes away, when another poll of the same owner comes, or at the drain.
 */
export class PollHolds {
  readonly #held = new Map<string, { readonly control: AbortController; readonly boot: string | undefined }>();

  get size(): number {
    return this.#held.size;
  }

  /** The process whose poll is held, if it says which it is. */
  heldBy(owner: string): { readonly boot: string | undefined } | undefined {
    return this.#held.get(owner);
  }

  /** `ended`: another poll took its place, or the owner was cut; there is nothing to read for this one. */
  async hold(
    mailboxes: MailboxReader,
    owner: string,
    waitMs: number,
    gone: AbortSignal,
    boot?: string,
  ): Promise<'something' | 'nothing' | 'ended'> {
    this.end(owner);
    if (gone.aborted) return 'ended';
    const control = new AbortController();
    const held = { control, boot };
    this.#held.set(owner, held);
    try {
      const something = await mailboxes.wait(owner, waitMs, AbortSignal.any([control.signal, gone]));
      if (control.signal.aborted) return 'ended';
      return something ? 'something' : 'nothing';
    } finally {
      if (this.#held.get(owner) === held) this.#held.delete(owner);
    }
  }

  /** Answers the held poll of an owner at once, with nothing. */
  end(owner: string): void {
    this.#held.get(owner)?.control.abort();
    this.#held.delete(owner);
  }

  endAll(): void {
    for (const owner of [...this.#held.keys()]) this.end(owner);
  }
}
