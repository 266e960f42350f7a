import type { Change } from '@backhaul/spool';
import type { Draft } from '@backhaul/transport';

/** What a message from above brings about: messages up and changes in the store, all in one commit, and what begins after it. */
export interface Effect {
  readonly drafts: readonly Draft[];
  readonly changes: readonly Change[];
  readonly after?: () => void;
}
