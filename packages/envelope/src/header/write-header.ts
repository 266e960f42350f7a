import { BackhaulError } from '@backhaul/runtime';
import { LIMITS } from '../limits.ts';
import { CLASSIFICATIONS, CONTENT_TYPES, type Destination, type Header, type Hop } from '../message.ts';
import * as field from '../xml/fields.ts';
import { attribute } from '../xml/fields.ts';

/** Bytes kept free in a new header for each hop it may still pass: the longest routing element there can be. */
export const HOP_BYTES = 148;

/** The parts of a header in the order in which they are written; the routing is last, so that a hop is appended by splicing. */
const PARTS = [
  openHeader,
  writeSource,
  writeClassification,
  writeTime,
  writeQos,
  writeDestination,
  writeTrace,
  writeRouting,
  closeHeader,
] as const;

/**
 * The canonical form of a header (docs/wire.md): no declaration, no blanks between elements, fixed order.
 * Throws BH-E-NAME, BH-E-CHAR, BH-E-XML-VALUE, BH-E-VERSION, BH-E-LIMIT-HEADER (room for the hops to come is kept free).
 */
export function writeHeader(header: Header): Buffer {
  checkHeader(header);
  let text = '';
  for (const part of PARTS) text += part(header);
  const bytes = Buffer.from(text, 'utf8');
  const reserve = (LIMITS.hops - header.routing.length) * HOP_BYTES;
  if (bytes.length + reserve > LIMITS.headerBytes)
    throw new BackhaulError('BH-E-LIMIT-HEADER', { detail: `${bytes.length} bytes, ${reserve} kept for hops` });
  return bytes;
}

/** What no single attribute shows. Shared with the reader. Throws BH-E-XML-VALUE. */
export function checkHeader(header: Header): void {
  if (header.qos.precedence !== header.lane)
    throw new BackhaulError('BH-E-XML-VALUE', { detail: 'qos precedence differs from the lane of the source' });
  if (header.routing.length > LIMITS.hops)
    throw new BackhaulError('BH-E-XML-VALUE', { detail: `more than ${LIMITS.hops} hops` });
  if ((header.locator === 'destination') !== (header.destination !== undefined))
    throw new BackhaulError('BH-E-XML-VALUE', {
      detail: 'a destination belongs to the locator destination, and only to it',
    });
}

/** ` <routing …/>`; also what appendHop splices in. */
export function writeHop(hop: Hop): string {
  return `<routing${attribute('id', field.componentId, hop.id)}${attribute('in', field.time, hop.in)}${attribute('out', field.time, hop.out)}${attribute('left', field.duration, hop.left)}/>`;
}

function openHeader(header: Header): string {
  return `<header${attribute('version', field.wireVersion, header.version)}${attribute('id', field.messageId, header.id)}${attribute('locator', field.locator, header.locator)}${attribute('inReplyTo', field.messageId, header.inReplyTo)}>`;
}

function writeSource(header: Header): string {
  return `<source${attribute('id', field.componentId, header.source)}${attribute('version', field.softwareVersion, header.sourceVersion)}${attribute('epoch', field.epoch, header.epoch)}${attribute('lane', field.lane, header.lane)}${attribute('sequence', field.sequence, header.sequence)}${attribute('instance', field.componentId, header.instance)}${attribute('type', field.name, header.sourceType)}${attribute('eventKey', field.eventKey, header.eventKey)}/>`;
}

function writeClassification(header: Header): string {
  return `<classification${attribute('name', CLASSIFICATION, header.classification)}${attribute('class', field.name, header.class)}${attribute('subclass', field.name, header.subclass)}${attribute('contentType', CONTENT_TYPE, header.contentType)}/>`;
}

const CLASSIFICATION = field.oneOf(CLASSIFICATIONS);
const CONTENT_TYPE = field.oneOf(CONTENT_TYPES);

function writeTime(header: Header): string {
  return `<time${attribute('made', field.time, header.madeAt)}/>`;
}

function writeQos({ qos }: Header): string {
  return `<qos${attribute('precedence', field.lane, qos.precedence)}${attribute('expires', field.time, qos.expiresAt)}${attribute('timeToLive', field.duration, qos.timeToLive)}${attribute('persistent', field.flag, qos.persistent)}${attribute('supersedeKey', field.supersedeKey, qos.supersedeKey)}/>`;
}

function writeDestination({ destination }: Header): string {
  return destination === undefined ? '' : `<destination${destinationAttribute(destination)}/>`;
}

function destinationAttribute(destination: Destination): string {
  switch (destination.kind) {
    case 'component':
      return attribute('component', field.componentId, destination.id);
    case 'group':
      return attribute('group', field.name, destination.name);
    case 'list':
      return attribute('list', field.destinations, destination.ids);
  }
}

function writeTrace(header: Header): string {
  return header.traceparent === undefined
    ? ''
    : `<trace${attribute('parent', field.traceparent, header.traceparent)}/>`;
}

function writeRouting(header: Header): string {
  return header.routing.map(writeHop).join('');
}

function closeHeader(): string {
  return '</header>';
}
