import { BackhaulError } from '@backhaul/runtime';
import { LIMITS } from '../limits.ts';
import {
  type Alarm,
  type BulkDataRequest,
  type BulkDataResponse,
  type Content,
  type Data,
  type DataElement,
  type EventContent,
  type MessageResponse,
  WIRE_VERSION,
} from '../message.ts';
import * as field from '../xml/fields.ts';
import { optional } from '../xml/optional.ts';
import { parseXml } from '../xml/parse-xml.ts';
import type { XmlElement } from '../xml/xml-element.ts';
import * as own from './content-fields.ts';
import { CONTENT_ELEMENTS, type ContentElement } from './content-vocabulary.ts';
import { dataSize } from './data-element.ts';

/**
 * Reads a body part. `version` is that of the message's header: a newer minor may bring attributes, which are ignored.
 * Throws BH-E-LIMIT-BODY, BH-E-XML-ELEMENT, BH-E-XML-VALUE, BH-E-NAME and what `parseXml` throws.
 */
export function readContent(bytes: Uint8Array, version: string = WIRE_VERSION): Content {
  if (bytes.length > LIMITS.bodyBytes) throw new BackhaulError('BH-E-LIMIT-BODY', { detail: `${bytes.length} bytes` });
  const lenient = field.isNewerMinor(version);
  const root = checked(parseXml(bytes), 'content', lenient).withoutText();
  const [element] = root.children;
  if (element === undefined || root.children.length > 1)
    throw new BackhaulError('BH-E-XML-ELEMENT', { detail: 'a content holds exactly one of the six content types' });
  return readType(element, lenient);
}

function readType(element: XmlElement, lenient: boolean): Content {
  switch (element.name) {
    case 'alarm':
      return readAlarm(checked(element, 'alarm', lenient), lenient);
    case 'event':
      return readEvent(checked(element, 'event', lenient), lenient);
    case 'messageResponse':
      return readMessageResponse(checked(element, 'messageResponse', lenient), lenient);
    case 'bulkDataRequest':
      return readBulkDataRequest(checked(element, 'bulkDataRequest', lenient).withoutText(), lenient);
    case 'bulkDataResponse':
      return readBulkDataResponse(checked(element, 'bulkDataResponse', lenient).withoutChildren());
    case 'data':
      return { type: 'data', ...readData(element, lenient) } satisfies Data;
    default:
      throw new BackhaulError('BH-E-XML-ELEMENT', { detail: `<${element.name}> is not a content type` });
  }
}

const names = (element: ContentElement): ReadonlySet<string> => new Set<string>(CONTENT_ELEMENTS[element]);

const ATTRIBUTES: Readonly<Record<ContentElement, ReadonlySet<string>>> = {
  content: names('content'),
  alarm: names('alarm'),
  event: names('event'),
  messageResponse: names('messageResponse'),
  bulkDataRequest: names('bulkDataRequest'),
  bulkDataResponse: names('bulkDataResponse'),
  data: names('data'),
};

function checked(element: XmlElement, name: ContentElement, lenient: boolean): XmlElement {
  if (element.name !== name)
    throw new BackhaulError('BH-E-XML-ELEMENT', { detail: `<${element.name}> where <${name}> belongs` });
  return element.withAttributes(ATTRIBUTES[name], lenient);
}

function readAlarm(alarm: XmlElement, lenient: boolean): Alarm {
  return {
    type: 'alarm',
    alarmId: alarm.get('alarmId', own.eventName),
    severity: alarm.get('severity', own.severity),
    state: alarm.get('state', own.alarmState),
    instance: alarm.get('instance', field.componentId),
    occurredAt: alarm.get('occurredAt', field.time),
    ...optional('location', alarm.find('location', own.location)),
    text: alarm.text,
    ...readOptionalData(alarm, lenient),
  };
}

function readEvent(event: XmlElement, lenient: boolean): EventContent {
  return {
    type: 'event',
    eventId: event.get('eventId', own.eventName),
    severity: event.get('severity', own.severity),
    instance: event.get('instance', field.componentId),
    occurredAt: event.get('occurredAt', field.time),
    ...optional('location', event.find('location', own.location)),
    text: event.text,
    ...readOptionalData(event, lenient),
  };
}

function readMessageResponse(response: XmlElement, lenient: boolean): MessageResponse {
  return {
    type: 'messageResponse',
    request: response.get('request', field.messageId),
    status: response.get('status', own.responseStatus),
    ...optional('code', response.find('code', field.code)),
    ...optional('retryable', response.find('retryable', field.flag)),
    ...optional('waitMs', response.find('waitMs', field.duration)),
    text: response.text,
    ...readOptionalData(response, lenient),
  };
}

function readBulkDataRequest(request: XmlElement, lenient: boolean): BulkDataRequest {
  return {
    type: 'bulkDataRequest',
    sha256: request.get('sha256', field.sha256),
    size: request.get('size', field.count),
    class: request.get('class', field.name),
    subclass: request.get('subclass', field.name),
    name: request.get('name', field.name),
    artifactVersion: request.get('version', field.softwareVersion),
    location: request.get('location', field.path),
    ...readOptionalData(request, lenient),
  };
}

function readBulkDataResponse(response: XmlElement): BulkDataResponse {
  return {
    type: 'bulkDataResponse',
    request: response.get('request', field.messageId),
    status: response.get('status', own.bulkStatus),
    ...optional('code', response.find('code', field.code)),
    ...optional('waitMs', response.find('waitMs', field.duration)),
    ...optional('location', response.find('location', field.path)),
    text: response.text,
  };
}

/** The one `<data>` after the text, or none; blanks may follow it, text may not. */
function readOptionalData(parent: XmlElement, lenient: boolean): { readonly data?: DataElement } {
  const [child] = parent.children;
  if (child === undefined) return {};
  if (parent.children.length > 1)
    throw new BackhaulError('BH-E-XML-ELEMENT', { detail: `more than one element in <${parent.name}>` });
  if (parent.tail.trim() !== '') throw new BackhaulError('BH-E-XML-ELEMENT', { detail: 'text after <data>' });
  return { data: readData(child, lenient) };
}

function readData(element: XmlElement, lenient: boolean): DataElement {
  checked(element, 'data', lenient).withoutChildren();
  const data: DataElement = {
    mimeType: element.get('mimeType', field.mimeType),
    encoding: element.get('encoding', own.encoding),
    text: element.text,
  };
  const size = element.find('size', field.count);
  const actual = dataSize(data);
  if (size !== undefined && size !== actual)
    throw new BackhaulError('BH-E-XML-VALUE', { detail: `data size is ${size}, there are ${actual} bytes` });
  return data;
}
