import type { MailboxMessage, SpoolEntry } from '../types.ts';

let made = 0;

/** An entry of the spool; whatever is not given is ordinary. */
export function sampleEntry(given: Partial<SpoolEntry> = {}): SpoolEntry {
  made += 1;
  return {
    id: `m${String(made).padStart(25, '0')}`,
    source: 'c0000test.p1',
    epoch: '00000000000000e1',
    lane: 4,
    sequence: made,
    class: 'performance',
    subclass: 'sample',
    header: Buffer.from(`<header id="${made}">`),
    body: Buffer.from(`body ${made}`),
    receivedAt: 1_000,
    persistent: false,
    ...given,
  };
}

export function sampleEntries(count: number, given: Partial<SpoolEntry> = {}): SpoolEntry[] {
  return Array.from({ length: count }, () => sampleEntry(given));
}

export function sampleMessage(given: Partial<MailboxMessage> = {}): MailboxMessage {
  made += 1;
  return {
    id: `d${String(made).padStart(25, '0')}`,
    header: Buffer.from(`<header id="${made}">`),
    body: Buffer.from(`body ${made}`),
    receivedAt: 1_000,
    ...given,
  };
}

export async function codeOf(action: () => unknown): Promise<string | undefined> {
  try {
    await action();
    return undefined;
  } catch (error) {
    return (error as { code?: string }).code ?? String(error);
  }
}
