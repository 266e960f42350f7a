/** The elements of a header in their one order, and the attributes of each in theirs. Compared with dtd/header.dtd by a test. */
export const HEADER_ELEMENTS = {
  header: ['version', 'id', 'locator', 'inReplyTo'],
  source: ['id', 'version', 'epoch', 'lane', 'sequence', 'instance', 'type', 'eventKey'],
  classification: ['name', 'class', 'subclass', 'contentType'],
  time: ['made'],
  qos: ['precedence', 'expires', 'timeToLive', 'persistent', 'supersedeKey'],
  destination: ['component', 'group', 'list'],
  trace: ['parent'],
  routing: ['id', 'in', 'out', 'left'],
} as const satisfies Record<string, readonly string[]>;

export type HeaderElement = keyof typeof HEADER_ELEMENTS;
