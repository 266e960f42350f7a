import { nameOf, numberOf, parseJson } from './keys.ts';
import { decodeMailboxMessage } from './mailbox-message.ts';
import { MailboxOwner, type SharedMessage, sharedMessage } from './mailbox-owner.ts';
import type { Store } from './store.ts';

interface LoadedMailboxes {
  readonly messages: readonly SharedMessage[];
  readonly owners: readonly MailboxOwner[];
  /** number of the next shared message */
  readonly next: number;
  readonly gaps: readonly string[];
}

/** Reads every message once, and counts who refers to it. A message nobody refers to is left alone on disk: nobody waits for it. */
export async function loadMailboxes(store: Store, prefix: string): Promise<LoadedMailboxes> {
  const messages = new Map<number, SharedMessage>();
  const owners = new Map<string, MailboxOwner>();
  const gaps: string[] = [];
  let next = 1;
  for await (const [key, value] of store.scan(`${prefix}b/`)) {
    next = numberOf(key) + 1;
    messages.set(numberOf(key), sharedMessage(numberOf(key), decodeMailboxMessage(value), true));
  }
  const owner = (segment: string): MailboxOwner => {
    const known = owners.get(segment) ?? new MailboxOwner(prefix, nameOf(segment));
    owners.set(segment, known);
    return known;
  };
  for await (const [key, value] of store.scan(`${prefix}o/`)) {
    const message = messages.get(parseJson<number>(value));
    if (message === undefined) gaps.push(`message of ${key} is missing`);
    else owner(key.split('/').at(-2)!).attach(numberOf(key), message);
  }
  for await (const [key, value] of store.scan(`${prefix}m/`)) {
    const { last, count } = parseJson<{ last: number; count: number }>(value);
    const held = owner(key.split('/').at(-1)!);
    if (held.messages !== count) gaps.push(`mailbox of ${held.name} holds ${held.messages} of ${count} messages`);
    held.last = held.sent = Math.max(last, held.last);
  }
  const referenced = [...messages.values()].filter(({ owners: holders }) => holders.size > 0);
  return { messages: referenced, owners: [...owners.values()], next, gaps };
}
