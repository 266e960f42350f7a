import { BackhaulError } from '@backhaul/runtime';
import { LIMITS } from '../limits.ts';
import { CLASSIFICATIONS, CONTENT_TYPES, type Destination, type Header, type Hop } from '../message.ts';
import * as field from '../xml/fields.ts';
import { optional } from '../xml/optional.ts';
import { parseXml } from '../xml/parse-xml.ts';
import type { XmlElement } from '../xml/xml-element.ts';
import { checkEnd } from './append-hop.ts';
import { readCanonicalHeader } from './canonical-header.ts';
import { HEADER_ELEMENTS, type HeaderElement } from './header-vocabulary.ts';
import { checkHeader } from './write-header.ts';

/**
 * Reads a header part as it came.
 * Throws BH-E-LIMIT-HEADER, BH-E-VERSION, BH-E-XML-ELEMENT, BH-E-XML-VALUE, BH-E-NAME and what `parseXml` throws.
 */
export function readHeader(bytes: Uint8Array): Header {
  if (bytes.length > LIMITS.headerBytes)
    throw new BackhaulError('BH-E-LIMIT-HEADER', { detail: `${bytes.length} bytes` });
  checkEnd(bytes);
  return readCanonicalHeader(bytes) ?? parseHeader(bytes);
}

/** The same by the parser, for every form that a header may have. */
export function parseHeader(bytes: Uint8Array): Header {
  const root = parseXml(bytes);
  if (root.name !== 'header') throw new BackhaulError('BH-E-XML-ELEMENT', { detail: `<${root.name}> is not a header` });
  const header = readElements(root, root.get('version', field.wireVersion));
  checkHeader(header);
  return header;
}

function readElements(root: XmlElement, version: string): Header {
  const lenient = field.isNewerMinor(version);
  root.withoutText().withAttributes(ATTRIBUTES.header, lenient);
  const children = new Children(root, lenient);
  const source = children.take('source');
  const classification = children.take('classification');
  const time = children.take('time');
  const qos = children.take('qos');
  const destination = children.takeIf('destination');
  const trace = children.takeIf('trace');
  const routing: Hop[] = [];
  for (let hop = children.takeIf('routing'); hop !== undefined; hop = children.takeIf('routing'))
    routing.push(readHop(hop));
  children.end();
  return {
    version,
    id: root.get('id', field.messageId),
    locator: root.get('locator', field.locator),
    ...optional('inReplyTo', root.find('inReplyTo', field.messageId)),
    ...readSource(source),
    ...readClassification(classification),
    madeAt: time.get('made', field.time),
    qos: readQos(qos),
    ...optional('destination', destination && readDestination(destination)),
    ...optional('traceparent', trace?.get('parent', field.traceparent)),
    routing,
  };
}

/** Takes children in the order of the vocabulary; what is left over is unknown or out of place. */
class Children {
  readonly #elements: readonly XmlElement[];
  readonly #lenient: boolean;
  #at = 0;

  constructor(parent: XmlElement, lenient: boolean) {
    this.#elements = parent.children;
    this.#lenient = lenient;
  }

  takeIf(name: HeaderElement): XmlElement | undefined {
    const element = this.#elements[this.#at];
    if (element?.name !== name) return undefined;
    this.#at++;
    return element.withoutText().withoutChildren().withAttributes(ATTRIBUTES[name], this.#lenient);
  }

  take(name: HeaderElement): XmlElement {
    const element = this.takeIf(name);
    if (element === undefined)
      throw new BackhaulError('BH-E-XML-ELEMENT', { detail: `<${name}> is missing or out of order` });
    return element;
  }

  end(): void {
    const left = this.#elements[this.#at];
    if (left !== undefined)
      throw new BackhaulError('BH-E-XML-ELEMENT', { detail: `<${left.name}> is unknown, repeated or out of order` });
  }
}

const names = (element: HeaderElement): ReadonlySet<string> => new Set<string>(HEADER_ELEMENTS[element]);

const ATTRIBUTES: Readonly<Record<HeaderElement, ReadonlySet<string>>> = {
  header: names('header'),
  source: names('source'),
  classification: names('classification'),
  time: names('time'),
  qos: names('qos'),
  destination: names('destination'),
  trace: names('trace'),
  routing: names('routing'),
};

const CLASSIFICATION = field.oneOf(CLASSIFICATIONS);
const CONTENT_TYPE = field.oneOf(CONTENT_TYPES);

function readSource(source: XmlElement) {
  return {
    source: source.get('id', field.componentId),
    sourceVersion: source.get('version', field.softwareVersion),
    epoch: source.get('epoch', field.epoch),
    lane: source.get('lane', field.lane),
    sequence: source.get('sequence', field.sequence),
    ...optional('instance', source.find('instance', field.componentId)),
    ...optional('sourceType', source.find('type', field.name)),
    ...optional('eventKey', source.find('eventKey', field.eventKey)),
  };
}

function readClassification(classification: XmlElement) {
  return {
    classification: classification.get('name', CLASSIFICATION),
    class: classification.get('class', field.name),
    subclass: classification.get('subclass', field.name),
    contentType: classification.get('contentType', CONTENT_TYPE),
  };
}

function readQos(qos: XmlElement): Header['qos'] {
  return {
    precedence: qos.get('precedence', field.lane),
    ...optional('expiresAt', qos.find('expires', field.time)),
    ...optional('timeToLive', qos.find('timeToLive', field.duration)),
    persistent: qos.get('persistent', field.flag),
    ...optional('supersedeKey', qos.find('supersedeKey', field.supersedeKey)),
  };
}

function readDestination(element: XmlElement): Destination {
  const id = element.find('component', field.componentId);
  const group = element.find('group', field.name);
  const ids = element.find('list', field.destinations);
  const found: Destination[] = [];
  if (id !== undefined) found.push({ kind: 'component', id });
  if (group !== undefined) found.push({ kind: 'group', name: group });
  if (ids !== undefined) found.push({ kind: 'list', ids });
  const [destination] = found;
  if (destination === undefined || found.length > 1)
    throw new BackhaulError('BH-E-XML-ELEMENT', { detail: 'a destination is one of component, group, list' });
  return destination;
}

function readHop(routing: XmlElement): Hop {
  return {
    id: routing.get('id', field.componentId),
    in: routing.get('in', field.time),
    out: routing.get('out', field.time),
    ...optional('left', routing.find('left', field.duration)),
  };
}
