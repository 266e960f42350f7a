import {
  commandParameters,
  type Header,
  type Message,
  type MessageResponse,
  payloadOf,
  readContent,
  readHeader,
} from '@backhaul/envelope';
import type { ErrorCode } from '@backhaul/runtime';
import { toBackhaulError } from '@backhaul/runtime';
import type { Change, DeadLetter, Spool, SpoolEntry } from '@backhaul/spool';
import type { Draft } from './draft.ts';

/** Letters in one answer. */
const PAGE = 100;
/** Bytes of a body that are shown: base64 makes a third more of them, and the answer has a limit of its own. */
const SHOWN_BYTES = 384 * 1024;
const DETAIL_CHARACTERS = 200;

/** What a dead-letter command brings about, for the commit that takes it. */
export interface DeadLetterAnswer {
  readonly outcome: {
    readonly status: MessageResponse['status'];
    readonly code?: ErrorCode;
    readonly text: string;
    readonly result?: unknown;
  };
  readonly changes: readonly Change[];
  /** the letter that is sent again, in a new place of this component */
  readonly drafts: readonly Draft[];
}

/** Decides in one tick, from what was read before; `taken`: the letters that commands of the same commit have taken. */
export type PreparedAnswer = (taken: Set<number>) => DeadLetterAnswer;

type Parameters = Readonly<Record<string, string | number | boolean>>;
type Prepare = (spool: Spool, parameters: Parameters) => Promise<PreparedAnswer>;

const COMMANDS: Readonly<Record<string, Prepare>> = {
  'list-dead-letters': list,
  'read-dead-letter': read,
  'replay-dead-letter': replay,
  'discard-dead-letter': discard,
};

export function isDeadLetterCommand({ class: kind, subclass }: Pick<Header, 'class' | 'subclass'>): boolean {
  return kind === 'command' && Object.hasOwn(COMMANDS, subclass);
}

/**
 * Reads what a dead-letter command asks for from this component's own store. The answer changes something only when it is asked
 * for and committed. Never throws for what the command says: that is answered.
 */
export async function prepareDeadLetterCommand(spool: Spool, { header, body }: Message): Promise<PreparedAnswer> {
  try {
    const { parameters = {} } = payloadOf(commandParameters, readContent(body));
    return await COMMANDS[header.subclass]!(spool, parameters);
  } catch (thrown) {
    const { code, detail, sentence, retryable } = toBackhaulError(thrown);
    if (retryable && code !== 'BH-E-INTERNAL') throw thrown; // a letter that cannot be read now can never be
    return refused(code, detail ?? sentence);
  }
}

async function list(spool: Spool, { after, limit }: Parameters): Promise<PreparedAnswer> {
  const page = Math.min(PAGE, Math.max(1, whole(limit) ?? PAGE));
  const letters = await spool.deadLetters({ after: whole(after) ?? 0, limit: page + 1 });
  const items = letters.slice(0, page).map(summary);
  const next = letters.length > page ? { next: items.at(-1)?.number } : {};
  return () => answered(`${items.length} dead letters`, { items, ...next });
}

function read(spool: Spool, parameters: Parameters): Promise<PreparedAnswer> {
  return withLetter(spool, parameters, (letter) => {
    const { header, body } = letter.entry;
    const shown = Buffer.from(body.subarray(0, SHOWN_BYTES)).toString('base64');
    const cut = body.length > SHOWN_BYTES ? { truncated: true } : {};
    return answered(`dead letter ${letter.number}`, {
      ...summary(letter),
      header: Buffer.from(header).toString(),
      body: shown,
      ...cut,
    });
  });
}

/** Its old sequence is settled everywhere: it goes as a message of this component, with its own id and event key. */
function replay(spool: Spool, parameters: Parameters): Promise<PreparedAnswer> {
  return withLetter(spool, parameters, ({ number, entry }) => {
    try {
      spool.stage([entry]); // is there room? a change that is dropped costs nothing
    } catch (thrown) {
      const { code, detail, sentence } = toBackhaulError(thrown);
      return refusal(code, detail ?? sentence);
    }
    const answer = answered(`dead letter ${number} is sent again`, { number, id: entry.id });
    return { ...answer, changes: [spool.removeDeadLetter(number)], drafts: [draftOf(entry)] };
  });
}

function discard(spool: Spool, parameters: Parameters): Promise<PreparedAnswer> {
  return withLetter(spool, parameters, ({ number, entry }) => {
    const answer = answered(`dead letter ${number} is discarded`, { number, id: entry.id });
    return { ...answer, changes: [spool.removeDeadLetter(number)] };
  });
}

async function withLetter(
  spool: Spool,
  { number }: Parameters,
  then: (letter: DeadLetter) => DeadLetterAnswer,
): Promise<PreparedAnswer> {
  const asked = whole(number);
  if (asked === undefined) return refused('BH-E-QUERY', 'number: the number of a dead letter');
  const letter = await spool.deadLetter(asked);
  const missing = refusal('BH-E-NOT-FOUND', `there is no dead letter ${asked}`);
  return (taken) => {
    if (letter === undefined || taken.has(asked)) return missing;
    const answer = then(letter);
    if (answer.changes.length > 0) taken.add(asked);
    return answer;
  };
}

function summary({ number, entry, code, detail, at }: DeadLetter) {
  const { id, source, lane, class: kind, subclass, header, body } = entry;
  return {
    ...{ number, id, source, lane, class: kind, subclass, code },
    ...(detail === undefined ? {} : { detail: detail.slice(0, DETAIL_CHARACTERS) }),
    ...{ at, bytes: header.length + body.length },
  };
}

/** It has its time to live once more. */
function draftOf({
  id,
  class: kind,
  subclass,
  header: headerBytes,
  body,
  persistent,
  supersedeKey,
}: SpoolEntry): Draft {
  const header = readHeader(headerBytes);
  const { classification, contentType, lane, qos } = header;
  return {
    ...{ id, lane, classification, class: kind, subclass, persistent, supersedeKey },
    content: { type: contentType, bytes: body },
    expiresInMs: qos.timeToLive,
    madeAt: header.madeAt,
    instance: header.instance,
    sourceType: header.sourceType,
    eventKey: header.eventKey,
    inReplyTo: header.inReplyTo,
    traceparent: header.traceparent,
  };
}

function answered(text: string, result: unknown): DeadLetterAnswer {
  return { outcome: { status: 'done', text, result }, changes: [], drafts: [] };
}

function refusal(code: ErrorCode, text: string): DeadLetterAnswer {
  return { outcome: { status: 'refused', code, text }, changes: [], drafts: [] };
}

function refused(code: ErrorCode, text: string): PreparedAnswer {
  return () => refusal(code, text);
}

function whole(value: string | number | boolean | undefined): number | undefined {
  const number = typeof value === 'string' && /^\d{1,15}$/.test(value) ? Number(value) : value;
  return typeof number === 'number' && Number.isSafeInteger(number) && number >= 0 ? number : undefined;
}
