import type { Mailboxes } from '@backhaul/spool';

/** Mailboxes that can say beforehand whether a message fits: one full mailbox must not keep a message from the others. */
export interface RoomyMailboxes extends Mailboxes {
  /** False when a message of that many bytes would pass the owner's quota. */
  hasRoom(owner: string, bytes: number): boolean;
}
