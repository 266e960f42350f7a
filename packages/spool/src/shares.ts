import { EvictionOrder } from './eviction-order.ts';
import type { Lane } from './types.ts';

/** What one direct child, or this component itself, holds of the spool, as of the last submission. */
export class Share {
  /** absent: this component's own */
  readonly via: string | undefined;
  messages = 0;
  bytes = 0;
  readonly #orders = new Map<Lane, EvictionOrder>();

  constructor(via: string | undefined) {
    this.via = via;
  }

  /** In which order a child's messages of a lane have to go. */
  orderOf(lane: Lane): EvictionOrder {
    let order = this.#orders.get(lane);
    if (order === undefined) this.#orders.set(lane, (order = new EvictionOrder()));
    return order;
  }

  forgetOrder(lane: Lane): void {
    this.#orders.delete(lane);
  }
}

/** Shares by child; one that holds nothing is forgotten. */
export class Shares {
  readonly #children = new Map<string, Share>();
  readonly #own = new Share(undefined);

  of(via: string | undefined): Share {
    if (via === undefined) return this.#own;
    let share = this.#children.get(via);
    if (share === undefined) this.#children.set(via, (share = new Share(via)));
    return share;
  }

  /** of the children that hold something */
  ofChildren(): readonly Share[] {
    return [...this.#children.values()];
  }

  usage(via: string): { messages: number; bytes: number } {
    const { messages = 0, bytes = 0 } = this.#children.get(via) ?? {};
    return { messages, bytes };
  }

  count(share: Share, bytes: number, messages: 1 | -1): void {
    share.messages += messages;
    share.bytes += messages * bytes;
    if (share.messages > 0 || share.via === undefined) return;
    if (this.#children.get(share.via) === share) this.#children.delete(share.via);
  }
}
