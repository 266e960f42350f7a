import { BackhaulError } from '@backhaul/runtime';
import { LIMITS } from '../limits.ts';
import type {
  Alarm,
  BulkDataRequest,
  BulkDataResponse,
  Content,
  DataElement,
  EventContent,
  MessageResponse,
} from '../message.ts';
import { escapeText } from '../xml/characters.ts';
import * as field from '../xml/fields.ts';
import { attribute } from '../xml/fields.ts';
import * as own from './content-fields.ts';
import { dataSize } from './data-element.ts';

/**
 * The body part of a message: `<content>` with one of the six content types.
 * Throws BH-E-CHAR, BH-E-NAME, BH-E-XML-VALUE, BH-E-LIMIT-BODY.
 */
export function writeContent(content: Content): Buffer {
  const bytes = Buffer.from(`<content>${writeType(content)}</content>`, 'utf8');
  if (bytes.length > LIMITS.bodyBytes) throw new BackhaulError('BH-E-LIMIT-BODY', { detail: `${bytes.length} bytes` });
  return bytes;
}

function writeType(content: Content): string {
  switch (content.type) {
    case 'alarm':
      return writeAlarm(content);
    case 'event':
      return writeEvent(content);
    case 'messageResponse':
      return writeMessageResponse(content);
    case 'bulkDataRequest':
      return writeBulkDataRequest(content);
    case 'bulkDataResponse':
      return writeBulkDataResponse(content);
    case 'data':
      return writeData(content);
  }
}

function writeAlarm(alarm: Alarm): string {
  return `<alarm${attribute('alarmId', own.eventName, alarm.alarmId)}${attribute('severity', own.severity, alarm.severity)}${attribute('state', own.alarmState, alarm.state)}${attribute('instance', field.componentId, alarm.instance)}${attribute('occurredAt', field.time, alarm.occurredAt)}${attribute('location', own.location, alarm.location)}>${escapeText(alarm.text, 'alarm text')}${writeOptionalData(alarm.data)}</alarm>`;
}

function writeEvent(event: EventContent): string {
  return `<event${attribute('eventId', own.eventName, event.eventId)}${attribute('severity', own.severity, event.severity)}${attribute('instance', field.componentId, event.instance)}${attribute('occurredAt', field.time, event.occurredAt)}${attribute('location', own.location, event.location)}>${escapeText(event.text, 'event text')}${writeOptionalData(event.data)}</event>`;
}

function writeMessageResponse(response: MessageResponse): string {
  return `<messageResponse${attribute('request', field.messageId, response.request)}${attribute('status', own.responseStatus, response.status)}${attribute('code', field.code, response.code)}${attribute('retryable', field.flag, response.retryable)}${attribute('waitMs', field.duration, response.waitMs)}>${escapeText(response.text, 'response text')}${writeOptionalData(response.data)}</messageResponse>`;
}

function writeBulkDataRequest(request: BulkDataRequest): string {
  return `<bulkDataRequest${attribute('sha256', field.sha256, request.sha256)}${attribute('size', field.count, request.size)}${attribute('class', field.name, request.class)}${attribute('subclass', field.name, request.subclass)}${attribute('name', field.name, request.name)}${attribute('version', field.softwareVersion, request.artifactVersion)}${attribute('location', field.path, request.location)}>${writeOptionalData(request.data)}</bulkDataRequest>`;
}

function writeBulkDataResponse(response: BulkDataResponse): string {
  return `<bulkDataResponse${attribute('request', field.messageId, response.request)}${attribute('status', own.bulkStatus, response.status)}${attribute('code', field.code, response.code)}${attribute('waitMs', field.duration, response.waitMs)}${attribute('location', field.path, response.location)}>${escapeText(response.text, 'response text')}</bulkDataResponse>`;
}

function writeOptionalData(data: DataElement | undefined): string {
  return data === undefined ? '' : writeData(data);
}

function writeData(data: DataElement): string {
  return `<data${attribute('mimeType', field.mimeType, data.mimeType)}${attribute('encoding', own.encoding, data.encoding)}${attribute('size', field.count, dataSize(data))}>${escapeText(data.text, 'data')}</data>`;
}
