import type { Mark, Message, Verdict } from '@backhaul/envelope';
import { BackhaulError, type Clock } from '@backhaul/runtime';
import type { Seen } from '@backhaul/spool';
import { type ArtifactFile, Ongoing, type Peer, type RelayHandler } from '@backhaul/transport';
import type { AggregationWindows } from './aggregation/windows.ts';
import type { ForwardContext } from './forward/forward-context.ts';
import { forwardEnvelope } from './forward/forward-path.ts';
import type { RoomyMailboxes } from './mailbox-room.ts';
import type { Transfers } from './transfers/transfers.ts';

export interface MlmHandlerOptions {
  readonly forward: ForwardContext;
  readonly mailboxes: RoomyMailboxes;
  readonly seen: Seen;
  readonly transfers: Transfers;
  readonly windows: AggregationWindows;
  readonly clock: Clock;
}

/** What an MLM does with what its children ask for. Which child it is comes from the connection alone [T-A20]. */
export class MlmHandler implements RelayHandler {
  readonly mailboxes: RoomyMailboxes;
  /** set where notices can be said */
  twice: NonNullable<RelayHandler['twice']> = () => {};
  readonly #options: MlmHandlerOptions;
  readonly #heardAt = new Map<string, number>();
  readonly #accepting: Ongoing;

  constructor(options: MlmHandlerOptions) {
    this.#options = options;
    this.mailboxes = options.mailboxes;
    this.#accepting = new Ongoing(options.clock);
  }

  /** wall ms of a child's last request, since this process started */
  heardAt(child: string): number | undefined {
    return this.#heardAt.get(child);
  }

  /** Throws BH-E-SPOOL-STOPPED while the store is reopened: what is known is being loaded again, and marks would be missing. */
  admit(peer: Peer): void {
    const { forward, clock } = this.#options;
    forward.membership.admit(peer);
    this.#heardAt.set(peer.identity.id, clock.now());
    if (forward.store.state !== 'open') throw new BackhaulError('BH-E-SPOOL-STOPPED');
  }

  /** monotonic ms at which the oldest of the envelopes that are not answered yet was taken up */
  get oldestAccept(): number | undefined {
    return this.#accepting.oldest;
  }

  async accept(peer: Peer, messages: readonly Message[]): Promise<readonly Verdict[]> {
    const { forward, windows } = this.#options;
    try {
      return await this.#accepting.during(() => forwardEnvelope(forward, peer, messages));
    } finally {
      windows.look();
    }
  }

  /** In order of appearance; a child that finds its own epoch superseded begins a new one. */
  marks(peer: Peer): readonly Mark[] {
    const { seen } = this.#options;
    const newest = seen.newestEpoch(peer.identity.id);
    return seen.marks(peer.identity.id).map((mark) => ({ ...(mark as Mark), newest: mark.epoch === newest }));
  }

  artifact(peer: Peer, sha256: string): Promise<ArtifactFile> {
    return this.#options.transfers.artifact(peer.identity.id, sha256);
  }

  artifactServed(peer: Peer, sha256: string, bytes: number, complete: boolean): void {
    this.#options.transfers.artifactServed(peer.identity.id, sha256, bytes, complete);
  }
}
