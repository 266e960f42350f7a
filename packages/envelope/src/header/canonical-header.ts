import { isAscii, isUtf8 } from 'node:buffer';
import { LIMITS } from '../limits.ts';
import { CLASSIFICATIONS, CONTENT_TYPES, type Header, type Hop, type Lane, WIRE_VERSION } from '../message.ts';
import * as field from '../xml/fields.ts';

/**
 * The canonical form of a header as one expression, for the envelope route: it knows exactly what `writeHeader` makes of values that
 * need no escaping, with every value checked as its field would. Anything else gives undefined, and the parser behind its gate
 * decides and says what is wrong. What it reads the parser reads with the same result (a property test holds them equal).
 */
export function readCanonicalHeader(bytes: Uint8Array): Header | undefined {
  const text = textOf(bytes);
  if (text === undefined) return undefined;
  BEFORE_ROUTING.lastIndex = 0;
  const found = BEFORE_ROUTING.exec(text);
  if (found === null) return undefined;
  const routing = readRouting(text, BEFORE_ROUTING.lastIndex);
  return routing && headerOf(found, routing);
}

const text = (pattern: field.Pattern): string => `"(${pattern.expression.source.slice(1, -1)})"`;
const oneOf = (values: readonly string[]): string => `"(${values.join('|')})"`;
/** Without what XML refers to or refuses, and without line breaks, which a parser makes blanks. */
const plain = (most: number): string => `"([^"&<\\u0000-\\u001f\\ufffe\\uffff]{1,${most}})"`;
const LANE = '"([0-8])"';
const SEQUENCE = '"([1-9][0-9]{0,14})"';
const TIME = '"(0|[1-9][0-9]{0,14})"';
const DURATION = '"(0|[1-9][0-9]{0,12})"';
const optional = (attribute: string): string => `(?: ${attribute})?`;

const BEFORE_ROUTING = new RegExp(
  [
    `<header version="${WIRE_VERSION.replace('.', '\\.')}" id=${text(field.messageId)} locator="(source|destination)"`,
    `${optional(`inReplyTo=${text(field.messageId)}`)}>`,
    `<source id=${text(field.componentId)} version=${text(field.softwareVersion)} epoch=${text(field.epoch)}`,
    ` lane=${LANE} sequence=${SEQUENCE}${optional(`instance=${text(field.componentId)}`)}`,
    `${optional(`type=${text(field.name)}`)}${optional(`eventKey=${plain(field.LENGTHS.eventKey)}`)}/>`,
    `<classification name=${oneOf(CLASSIFICATIONS)} class=${text(field.name)} subclass=${text(field.name)}`,
    ` contentType=${oneOf(CONTENT_TYPES)}/>`,
    `<time made=${TIME}/>`,
    `<qos precedence=${LANE}${optional(`expires=${TIME}`)}${optional(`timeToLive=${DURATION}`)}`,
    ` persistent="(true|false)"${optional(`supersedeKey=${plain(field.LENGTHS.supersedeKey)}`)}/>`,
    `(?:<destination (?:component=${text(field.componentId)}|group=${text(field.name)})/>)?`,
    `(?:<trace parent=${text(field.traceparent)}/>)?`,
  ].join(''),
  'y',
);

const ROUTING = new RegExp(
  `<routing id=${text(field.componentId)} in=${TIME} out=${TIME}${optional(`left=${DURATION}`)}/>`,
  'y',
);
const END = '</header>';

/** One byte a character where that is enough: such strings are read fastest. */
function textOf(bytes: Uint8Array): string | undefined {
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (isAscii(bytes)) return buffer.toString('latin1');
  return isUtf8(bytes) ? buffer.toString('utf8') : undefined;
}

/** All hops from `at` on, and then the end of the header. */
function readRouting(text: string, at: number): Hop[] | undefined {
  const hops: Hop[] = [];
  let end = at;
  while (!text.startsWith(END, end)) {
    ROUTING.lastIndex = end;
    const found = ROUTING.exec(text);
    if (found === null) return undefined;
    end = ROUTING.lastIndex;
    const [, id, at, out, left] = found;
    const hop = { id: id!, in: Number(at), out: Number(out) };
    hops.push(left === undefined ? hop : { ...hop, left: Number(left) });
  }
  return text.length === end + END.length && hops.length <= LIMITS.hops ? hops : undefined;
}

/** Undefined where the parts do not go together (see `checkHeader`). */
function headerOf(found: RegExpExecArray, routing: Hop[]): Header | undefined {
  // biome-ignore format: in the order of the expression
  const [
    , id, locator, inReplyTo,
    source, sourceVersion, epoch, lane, sequence, instance, sourceType, eventKey,
    classification, className, subclass, contentType,
    made,
    precedence, expires, timeToLive, persistent, supersedeKey,
    component, group,
    traceparent,
  ] = found as unknown as string[];
  if (precedence !== lane) return undefined;
  const isAddressed = component !== undefined || group !== undefined;
  if (isAddressed !== (locator === 'destination')) return undefined;
  const qos: Writable<Header['qos']> = { precedence: Number(precedence) as Lane, persistent: persistent === 'true' };
  if (expires !== undefined) qos.expiresAt = Number(expires);
  if (timeToLive !== undefined) qos.timeToLive = Number(timeToLive);
  if (supersedeKey !== undefined) qos.supersedeKey = supersedeKey;
  const header: Writable<Header> = {
    version: WIRE_VERSION,
    id: id!,
    locator: locator as Header['locator'],
    source: source!,
    sourceVersion: sourceVersion!,
    epoch: epoch!,
    lane: Number(lane) as Lane,
    sequence: Number(sequence),
    classification: classification as Header['classification'],
    class: className!,
    subclass: subclass!,
    contentType: contentType as Header['contentType'],
    madeAt: Number(made),
    qos,
    routing,
  };
  if (inReplyTo !== undefined) header.inReplyTo = inReplyTo;
  if (instance !== undefined) header.instance = instance;
  if (sourceType !== undefined) header.sourceType = sourceType;
  if (eventKey !== undefined) header.eventKey = eventKey;
  if (component !== undefined) header.destination = { kind: 'component', id: component };
  if (group !== undefined) header.destination = { kind: 'group', name: group };
  if (traceparent !== undefined) header.traceparent = traceparent;
  return header;
}

type Writable<T> = { -readonly [K in keyof T]: T[K] };
