/** The elements of a content and their attributes, in the order written. Compared with dtd/content.dtd by a test. */
export const CONTENT_ELEMENTS = {
  content: [],
  alarm: ['alarmId', 'severity', 'state', 'instance', 'occurredAt', 'location'],
  event: ['eventId', 'severity', 'instance', 'occurredAt', 'location'],
  messageResponse: ['request', 'status', 'code', 'retryable', 'waitMs'],
  bulkDataRequest: ['sha256', 'size', 'class', 'subclass', 'name', 'version', 'location'],
  bulkDataResponse: ['request', 'status', 'code', 'waitMs', 'location'],
  data: ['mimeType', 'encoding', 'size'],
} as const satisfies Record<string, readonly string[]>;

export type ContentElement = keyof typeof CONTENT_ELEMENTS;
