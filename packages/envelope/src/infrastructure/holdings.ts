import { BackhaulError } from '@backhaul/runtime';
import type { Content, Data, Holdings } from '../message.ts';
import * as field from '../xml/fields.ts';
import { attribute } from '../xml/fields.ts';
import { parseXml } from '../xml/parse-xml.ts';
import type { XmlElement } from '../xml/xml-element.ts';
import { xmlOf } from './receipts.ts';

/** Ranges in one message: far below the limit of a body. */
export const RANGES_PER_HOLDINGS = 2000;
/** Own streams in one message: nine lanes of the epochs that may still have something under way. */
const OWN_PER_HOLDINGS = 90;

/** Attributes in the order written. Compared with dtd/holdings.dtd by a test. */
export const HOLDINGS_ELEMENTS = {
  holdings: ['made', 'truncated'],
  own: ['epoch', 'lane', 'last'],
  range: ['source', 'epoch', 'lane', 'from', 'to', 'messages'],
} as const;

const ATTRIBUTES: Readonly<Record<keyof typeof HOLDINGS_ELEMENTS, ReadonlySet<string>>> = {
  holdings: new Set(HOLDINGS_ELEMENTS.holdings),
  own: new Set(HOLDINGS_ELEMENTS.own),
  range: new Set(HOLDINGS_ELEMENTS.range),
};

/**
 * The content of an infrastructure/holdings message: text/xml inside the data element.
 * Throws BH-E-XML-VALUE, BH-E-NAME, BH-E-LIMIT-BODY for more than `RANGES_PER_HOLDINGS`.
 */
export function writeHoldings({ madeAt, own, ranges, truncated }: Holdings): Data {
  checkCounts(own.length, ranges.length);
  const open = `<holdings${attribute('made', field.time, madeAt)}${attribute('truncated', field.flag, truncated)}>`;
  const text = `${open}${own.map(writeOwn).join('')}${ranges.map(writeRange).join('')}</holdings>`;
  return { type: 'data', mimeType: 'text/xml', encoding: 'none', text };
}

function writeOwn({ epoch, lane, last }: Holdings['own'][number]): string {
  return `<own${attribute('epoch', field.epoch, epoch)}${attribute('lane', field.lane, lane)}${attribute('last', field.count, last)}/>`;
}

function writeRange(range: Holdings['ranges'][number]): string {
  checkRange(range);
  return `<range${attribute('source', field.componentId, range.source)}${attribute('epoch', field.epoch, range.epoch)}${attribute('lane', field.lane, range.lane)}${attribute('from', field.sequence, range.from)}${attribute('to', field.sequence, range.to)}${attribute('messages', field.sequence, range.messages)}/>`;
}

/** Throws BH-E-XML-ELEMENT, BH-E-XML-VALUE, BH-E-NAME, BH-E-LIMIT-BODY and what `parseXml` throws. */
export function readHoldings(content: Content): Holdings {
  const root = parseXml(xmlOf(content)).withAttributes(ATTRIBUTES.holdings).withoutText();
  if (root.name !== 'holdings')
    throw new BackhaulError('BH-E-XML-ELEMENT', { detail: `<${root.name}> is not holdings` });
  const own = root.children.filter(({ name }) => name === 'own');
  const ranges = root.children.slice(own.length);
  checkCounts(own.length, ranges.length);
  return {
    madeAt: root.get('made', field.time),
    truncated: root.get('truncated', field.flag),
    own: own.map(readOwn),
    ranges: ranges.map(readRange),
  };
}

function readOwn(element: XmlElement): Holdings['own'][number] {
  element.withAttributes(ATTRIBUTES.own).withoutChildren().withoutText();
  return {
    epoch: element.get('epoch', field.epoch),
    lane: element.get('lane', field.lane),
    last: element.get('last', field.count),
  };
}

function readRange(element: XmlElement): Holdings['ranges'][number] {
  if (element.name !== 'range')
    throw new BackhaulError('BH-E-XML-ELEMENT', { detail: `<${element.name}> in holdings` });
  element.withAttributes(ATTRIBUTES.range).withoutChildren().withoutText();
  const range = {
    source: element.get('source', field.componentId),
    epoch: element.get('epoch', field.epoch),
    lane: element.get('lane', field.lane),
    from: element.get('from', field.sequence),
    to: element.get('to', field.sequence),
    messages: element.get('messages', field.sequence),
  };
  checkRange(range);
  return range;
}

function checkRange({ from, to, messages }: Holdings['ranges'][number]): void {
  if (to < from || messages > to - from + 1)
    throw new BackhaulError('BH-E-XML-VALUE', { detail: `${messages} messages from ${from} to ${to}` });
}

function checkCounts(own: number, ranges: number): void {
  if (ranges > RANGES_PER_HOLDINGS || own > OWN_PER_HOLDINGS)
    throw new BackhaulError('BH-E-LIMIT-BODY', {
      detail: `more than ${RANGES_PER_HOLDINGS} ranges or ${OWN_PER_HOLDINGS} own lanes`,
    });
}
