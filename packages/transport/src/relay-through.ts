import { LIMITS, type Verdict } from '@backhaul/envelope';
import { BackhaulError, toBackhaulError } from '@backhaul/runtime';
import type { SpoolEntry } from '@backhaul/spool';
import type PQueue from 'p-queue';
import type { EnvelopeSender } from './envelope-sender.ts';
import { concernsContent } from './parent-answer.ts';
import type { ParentSet } from './parent-set.ts';

/** Envelopes that may wait for room in the window; past it the sender below keeps them. */
export const RELAYS_WAITING = 64;
const WAIT_MS = 1_000;

export interface RelayThroughOptions {
  readonly parents: ParentSet;
  readonly sender: EnvelopeSender;
  /** the window of the uplink, shared with what the spool sends */
  readonly sends: PQueue;
  readonly maxMessages: number;
  readonly maxBytes: number;
}

/**
 * Pass-through custody: sends these now, without keeping them, and tells what the tier above says of each [DESIGN §4, custody].
 * What could not be told is refused retryably: the sender below has it still. Throws BH-E-PARENT-UNREACHABLE at once while the
 * parent is not there, BH-E-BUSY when too much waits already, BH-E-PARENT-SILENT, and what the parent refuses the whole with.
 */
export async function relayThrough(
  options: RelayThroughOptions,
  entries: readonly SpoolEntry[],
  signal?: AbortSignal,
): Promise<readonly Verdict[]> {
  const verdicts: Verdict[] = [];
  for (const part of envelopes(entries, options)) {
    try {
      verdicts.push(...(await relayOne(options, part, signal)));
    } catch (thrown) {
      if (verdicts.length === 0) throw thrown;
      return [...verdicts, ...entries.slice(verdicts.length).map(() => retryLater(toBackhaulError(thrown)))];
    }
  }
  return verdicts;
}

async function relayOne(
  options: RelayThroughOptions,
  entries: readonly SpoolEntry[],
  signal: AbortSignal | undefined,
): Promise<readonly Verdict[]> {
  try {
    return await sendNow(options, entries, signal);
  } catch (thrown) {
    const error = toBackhaulError(thrown);
    if (!concernsContent(error)) throw error;
    if (entries.length === 1) return [refused(error)];
    const half = Math.ceil(entries.length / 2); // a refusal of the content is narrowed down to the one message
    const first = await relayOne(options, entries.slice(0, half), signal);
    return [...first, ...(await relayOne(options, entries.slice(half), signal))];
  }
}

function sendNow(
  { parents, sender, sends }: RelayThroughOptions,
  entries: readonly SpoolEntry[],
  signal: AbortSignal | undefined,
): Promise<readonly Verdict[]> {
  if (sends.size >= RELAYS_WAITING) {
    throw new BackhaulError('BH-E-BUSY', { detail: 'the line upward is full', retryAfterMs: WAIT_MS });
  }
  const bytes = entries.reduce((sum, { header, body }) => sum + header.length + body.length, 0);
  checkUsable(parents);
  return sends.add(() => {
    checkUsable(parents); // it may have gone while this waited
    return sender.send({ entries, bytes }, parents.current(), signal);
  });
}

function checkUsable(parents: ParentSet): void {
  if (parents.usable) return;
  const retryAfterMs = Math.max(WAIT_MS, parents.pauseMs());
  throw new BackhaulError('BH-E-PARENT-UNREACHABLE', { detail: parents.current().parent.id, retryAfterMs });
}

/** Runs that fit one envelope each; a single larger one goes alone. */
function* envelopes(
  entries: readonly SpoolEntry[],
  { maxMessages, maxBytes }: { maxMessages: number; maxBytes: number },
): Generator<readonly SpoolEntry[]> {
  let from = 0;
  let bytes = 0;
  for (const [i, { header, body }] of entries.entries()) {
    const size = header.length + body.length;
    if (i > from && (i - from >= Math.min(maxMessages, LIMITS.messages) || bytes + size > maxBytes)) {
      yield entries.slice(from, i);
      [from, bytes] = [i, 0];
    }
    bytes += size;
  }
  if (from < entries.length) yield entries.slice(from);
}

function refused({ code, detail, retryable }: BackhaulError): Verdict {
  return { accepted: false, code, retryable, ...(detail === undefined ? {} : { detail }) };
}

function retryLater({ code, detail, retryAfterMs = WAIT_MS }: BackhaulError): Verdict {
  return { accepted: false, code, retryable: true, waitMs: retryAfterMs, ...(detail === undefined ? {} : { detail }) };
}
