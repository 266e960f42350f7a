import { BackhaulError } from '@backhaul/runtime';
import { type Content, type Data, TOMBSTONE_REASONS, type Tombstone } from '../message.ts';
import * as field from '../xml/fields.ts';
import { attribute, freeText, oneOf } from '../xml/fields.ts';
import { optional } from '../xml/optional.ts';
import { parseXml } from '../xml/parse-xml.ts';
import type { XmlElement } from '../xml/xml-element.ts';

/** Tombstones in one message: far below the limit of a body. */
export const RECEIPTS_PER_MESSAGE = 2000;

/** Attributes of `<tombstone>`, in the order written. Compared with dtd/receipts.dtd by a test. */
export const TOMBSTONE_ATTRIBUTES = [
  'source',
  'epoch',
  'lane',
  'from',
  'to',
  'reason',
  'rule',
  'aggregate',
  'at',
] as const;

const ATTRIBUTES: ReadonlySet<string> = new Set(TOMBSTONE_ATTRIBUTES);
const NONE: ReadonlySet<string> = new Set();
const reason = oneOf(TOMBSTONE_REASONS);
const rule = freeText(128);

/**
 * The content of an infrastructure/receipt message: text/xml inside the data element.
 * Throws BH-E-XML-VALUE, BH-E-NAME, BH-E-CHAR, BH-E-LIMIT-BODY for more than `RECEIPTS_PER_MESSAGE`.
 */
export function writeReceipts(tombstones: readonly Tombstone[]): Data {
  if (tombstones.length > RECEIPTS_PER_MESSAGE)
    throw new BackhaulError('BH-E-LIMIT-BODY', { detail: `more than ${RECEIPTS_PER_MESSAGE} tombstones` });
  return {
    type: 'data',
    mimeType: 'text/xml',
    encoding: 'none',
    text: `<receipts>${tombstones.map(writeTombstone).join('')}</receipts>`,
  };
}

function writeTombstone(tombstone: Tombstone): string {
  checkRange(tombstone);
  return `<tombstone${attribute('source', field.componentId, tombstone.source)}${attribute('epoch', field.epoch, tombstone.epoch)}${attribute('lane', field.lane, tombstone.lane)}${attribute('from', field.sequence, tombstone.from)}${attribute('to', field.sequence, tombstone.to)}${attribute('reason', reason, tombstone.reason)}${attribute('rule', rule, tombstone.rule)}${attribute('aggregate', field.messageId, tombstone.aggregate)}${attribute('at', field.componentId, tombstone.at)}/>`;
}

function checkRange({ from, to }: Tombstone): void {
  if (to < from) throw new BackhaulError('BH-E-XML-VALUE', { detail: `a tombstone from ${from} to ${to}` });
}

/** Throws BH-E-XML-ELEMENT, BH-E-XML-VALUE, BH-E-NAME, BH-E-LIMIT-BODY and what `parseXml` throws. */
export function readReceipts(content: Content): Tombstone[] {
  const root = parseXml(xmlOf(content)).withAttributes(NONE).withoutText();
  if (root.name !== 'receipts')
    throw new BackhaulError('BH-E-XML-ELEMENT', { detail: `<${root.name}> is not receipts` });
  if (root.children.length > RECEIPTS_PER_MESSAGE)
    throw new BackhaulError('BH-E-LIMIT-BODY', { detail: `more than ${RECEIPTS_PER_MESSAGE} tombstones` });
  return root.children.map(readTombstone);
}

function readTombstone(element: XmlElement): Tombstone {
  if (element.name !== 'tombstone')
    throw new BackhaulError('BH-E-XML-ELEMENT', { detail: `<${element.name}> in receipts` });
  element.withAttributes(ATTRIBUTES).withoutChildren().withoutText();
  const tombstone: Tombstone = {
    source: element.get('source', field.componentId),
    epoch: element.get('epoch', field.epoch),
    lane: element.get('lane', field.lane),
    from: element.get('from', field.sequence),
    to: element.get('to', field.sequence),
    reason: element.get('reason', reason),
    ...optional('rule', element.find('rule', rule)),
    ...optional('aggregate', element.find('aggregate', field.messageId)),
    at: element.get('at', field.componentId),
  };
  checkRange(tombstone);
  return tombstone;
}

/** The bytes of a text/xml data content. Throws BH-E-XML-ELEMENT. */
export function xmlOf(content: Content): Buffer {
  if (content.type !== 'data' || content.mimeType !== 'text/xml' || content.encoding !== 'none')
    throw new BackhaulError('BH-E-XML-ELEMENT', { detail: 'a data content of text/xml, encoding none' });
  return Buffer.from(content.text, 'utf8');
}
