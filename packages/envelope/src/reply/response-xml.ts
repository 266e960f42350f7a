import { BackhaulError } from '@backhaul/runtime';
import { LIMITS } from '../limits.ts';
import { type EnvelopeResponse, type Mark, type Verdict, WIRE_VERSION } from '../message.ts';
import { escapeText } from '../xml/characters.ts';
import * as field from '../xml/fields.ts';
import { attribute } from '../xml/fields.ts';
import { optional } from '../xml/optional.ts';
import { parseXml } from '../xml/parse-xml.ts';
import type { XmlElement } from '../xml/xml-element.ts';

/** The most UTF-16 units of the sentence that goes with a refusal; longer ones are cut. */
const DETAIL_LENGTH = 300;

/**
 * The first part of a reply: runs of accepted messages, each refusal with its reason, and marks.
 * Throws BH-E-NAME, BH-E-XML-VALUE, BH-E-LIMIT-BODY.
 */
export function writeResponse(response: EnvelopeResponse): Buffer {
  const { verdicts, marks = [] } = response;
  const open = `<messageResponse${attribute('version', field.wireVersion, WIRE_VERSION)}${attribute('messages', field.count, verdicts.length)}>`;
  const bytes = Buffer.from(
    `${open}${writeVerdicts(verdicts)}${marks.map(writeMark).join('')}</messageResponse>`,
    'utf8',
  );
  if (bytes.length > LIMITS.responseBytes) throw new BackhaulError('BH-E-LIMIT-BODY', { detail: 'response' });
  return bytes;
}

function writeVerdicts(verdicts: readonly Verdict[]): string {
  let text = '';
  for (let i = 0; i < verdicts.length; i++) {
    const verdict = verdicts[i] as Verdict;
    if (!verdict.accepted) {
      text += writeRejected(i, verdict);
      continue;
    }
    const first = i;
    while (verdicts[i + 1]?.accepted) i++;
    text += `<accepted first="${first}" last="${i}"/>`;
  }
  return text;
}

function writeRejected(index: number, verdict: Verdict): string {
  return `<rejected index="${index}"${attribute('code', field.code, verdict.code ?? 'BH-E-INTERNAL')}${attribute('retryable', field.flag, verdict.retryable ?? false)}${attribute('waitMs', field.duration, verdict.waitMs)}>${escapeText(detailOf(verdict), 'detail')}</rejected>`;
}

/** What XML cannot carry becomes U+FFFD: a refusal must never fail because of the text that explains it. */
function detailOf(verdict: Verdict): string {
  const cut = (verdict.detail ?? '').slice(0, DETAIL_LENGTH).toWellFormed();
  return cut.replace(/[\u0000-\u0008\u000b\u000c\u000e-\u001f\ufffe\uffff]/g, '\ufffd');
}

function writeMark(mark: Mark): string {
  return `<mark${attribute('source', field.componentId, mark.source)}${attribute('epoch', field.epoch, mark.epoch)}${attribute('lane', field.lane, mark.lane)}${attribute('through', field.count, mark.through)}${attribute('newest', field.flag, mark.newest)}/>`;
}

const ACCEPTED: Verdict = { accepted: true };

/** What is said when all is well, exactly as it is written above: read without the parser. */
const ALL_ACCEPTED =
  /^<messageResponse version="1\.0" messages="(0|[1-9][0-9]{0,3})">(?:<accepted first="0" last="(0|[1-9][0-9]{0,3})"\/>)?<\/messageResponse>$/;
const ALL_ACCEPTED_BYTES = 128;

/** Throws BH-E-XML-ELEMENT, BH-E-XML-VALUE when a message has no verdict or two, and what `parseXml` throws. */
export function readResponse(bytes: Uint8Array): EnvelopeResponse {
  return readAllAccepted(bytes) ?? parseResponse(bytes);
}

/** Undefined for every other response. */
export function readAllAccepted(bytes: Uint8Array): EnvelopeResponse | undefined {
  if (bytes.length > ALL_ACCEPTED_BYTES) return undefined;
  const [, messages, last] = ALL_ACCEPTED.exec(Buffer.from(bytes).toString('latin1')) ?? [];
  const count = Number(messages ?? -1);
  const accepted = last === undefined ? 0 : Number(last) + 1;
  return count !== accepted || count > LIMITS.messages
    ? undefined
    : { verdicts: new Array<Verdict>(count).fill(ACCEPTED) };
}

export function parseResponse(bytes: Uint8Array): EnvelopeResponse {
  const root = parseXml(bytes);
  if (root.name !== 'messageResponse')
    throw new BackhaulError('BH-E-XML-ELEMENT', { detail: `<${root.name}> is not a response` });
  const lenient = field.isNewerMinor(root.get('version', field.wireVersion));
  root.withoutText().withAttributes(ATTRIBUTES.messageResponse, lenient);
  const verdicts = new Verdicts(root.get('messages', messageCount));
  const marks: Mark[] = [];
  for (const child of root.children) readChild(child, verdicts, marks, lenient);
  return { verdicts: verdicts.all(), ...optional('marks', marks.length > 0 ? marks : undefined) };
}

const ATTRIBUTES = {
  messageResponse: new Set(['version', 'messages']),
  accepted: new Set(['first', 'last']),
  rejected: new Set(['index', 'code', 'retryable', 'waitMs']),
  mark: new Set(['source', 'epoch', 'lane', 'through', 'newest']),
};

const messageCount = field.integer(0, LIMITS.messages);
const messageIndex = field.integer(0, LIMITS.messages - 1);

function readChild(child: XmlElement, verdicts: Verdicts, marks: Mark[], lenient: boolean): void {
  child.withoutChildren();
  switch (child.name) {
    case 'accepted':
      child.withoutText().withAttributes(ATTRIBUTES.accepted, lenient);
      verdicts.accept(child.get('first', messageIndex), child.get('last', messageIndex));
      return;
    case 'rejected':
      child.withAttributes(ATTRIBUTES.rejected, lenient);
      verdicts.put(child.get('index', messageIndex), readRejected(child));
      return;
    case 'mark':
      marks.push(readMark(child.withoutText().withAttributes(ATTRIBUTES.mark, lenient)));
      return;
    default:
      throw new BackhaulError('BH-E-XML-ELEMENT', { detail: `<${child.name}> in a response` });
  }
}

function readRejected(element: XmlElement): Verdict {
  return {
    accepted: false,
    code: element.get('code', field.code),
    retryable: element.get('retryable', field.flag),
    ...optional('waitMs', element.find('waitMs', field.duration)),
    ...optional('detail', element.text === '' ? undefined : element.text),
  };
}

function readMark(element: XmlElement): Mark {
  return {
    source: element.get('source', field.componentId),
    epoch: element.get('epoch', field.epoch),
    lane: element.get('lane', field.lane),
    through: element.get('through', field.count),
    ...optional('newest', element.find('newest', field.flag)),
  };
}

/** One place per message; each is filled exactly once [E3]. */
class Verdicts {
  readonly #places: (Verdict | undefined)[];

  constructor(count: number) {
    this.#places = new Array<Verdict | undefined>(count).fill(undefined);
  }

  accept(first: number, last: number): void {
    if (last < first) refuse(`accepted ${first} to ${last}`);
    for (let i = first; i <= last; i++) this.put(i, ACCEPTED);
  }

  put(index: number, verdict: Verdict): void {
    if (index >= this.#places.length || this.#places[index] !== undefined)
      refuse(`message ${index} has two verdicts or was not sent`);
    this.#places[index] = verdict;
  }

  all(): readonly Verdict[] {
    return this.#places.map((verdict, index) => verdict ?? refuse(`message ${index} has no verdict`));
  }
}

function refuse(detail: string): never {
  throw new BackhaulError('BH-E-XML-VALUE', { detail });
}
