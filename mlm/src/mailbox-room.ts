import type { Change, Mailboxes } from '@backhaul/spool';

/**
 * Mailboxes that can say beforehand whether a message fits (one full mailbox must not keep a message from the others), and
 * take one back from those who have not read it.
 */
export interface RoomyMailboxes extends Mailboxes {
  /** False when a message of that many bytes would pass the owner's quota. */
  hasRoom(owner: string, bytes: number): boolean;
  /** Owners in whose mailbox a message waits and has not been read. */
  unread(messageId: string): readonly string[];
  stageRevokeFrom(owners: readonly string[], messageId: string): Change;
}
