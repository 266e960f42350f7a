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

  /** `ended`: another poll took its place, the owner was cut or went away; there is nothing to read for this one. */
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
    const leave = (): void => control.abort(); // one signal of its own: a composite one costs more than the rest of a poll
    this.#held.set(owner, held);
    gone.addEventListener('abort', leave, { once: true });
    try {
      const something = await mailboxes.wait(owner, waitMs, control.signal);
      if (control.signal.aborted) return 'ended';
      return something ? 'something' : 'nothing';
    } finally {
      gone.removeEventListener('abort', leave);
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
