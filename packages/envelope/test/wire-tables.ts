import type { ErrorCode } from '@backhaul/runtime';
import { CLASSES, LIMITS, type LimitName } from '../src/index.ts';

/** The tables of docs/wire.md, as they must stand there. */
const LIMIT_ROWS: Readonly<Record<LimitName, readonly [what: string, code: ErrorCode]>> = {
  messages: ['messages in one envelope', 'BH-E-LIMIT-MESSAGES'],
  headerBytes: ['bytes of a header part', 'BH-E-LIMIT-HEADER'],
  bodyBytes: ['bytes of a body part; more is bulk', 'BH-E-LIMIT-BODY'],
  envelopeBytes: ['bytes of an envelope, on the line and unpacked', 'BH-E-LIMIT-ENVELOPE'],
  replyBytes: ['bytes of mailbox messages in one reply; a single larger one goes alone', 'BH-E-LIMIT-ENVELOPE'],
  responseBytes: ['bytes of the response part of a reply', 'BH-E-LIMIT-BODY'],
  depth: ['nested elements, nested JSON values', 'BH-E-LIMIT-DEPTH'],
  attributes: ['attributes of one element', 'BH-E-LIMIT-ATTRIBUTES'],
  nameBytes: ['bytes of an element or attribute name', 'BH-E-LIMIT-NAME'],
  partHeaderBytes: ['bytes of the headers of one part', 'BH-E-MIME-HEADER'],
  destinations: ['destinations in one list', 'BH-E-XML-VALUE'],
  hops: ['hops a message may pass', 'BH-E-LOOP'],
  window: ['envelopes of one child under way', 'BH-E-LINK-ORDER'],
};

export function limitTable(): string {
  const rows = Object.entries(LIMIT_ROWS).map(
    ([name, [what, code]]) => `| ${what} | ${LIMITS[name as LimitName]} | \`${code}\` |`,
  );
  return ['| limit | value | code |', '|---|---|---|', ...rows].join('\n');
}

export function classTable(): string {
  const rows = CLASSES.map(
    (entry) =>
      `| \`${entry.class}/${entry.subclass}\` | ${entry.classification} | ${entry.lane} | ${entry.contentTypes.join(', ')} | ${entry.from} | ${entry.about} |`,
  );
  return [
    '| class/subclass | classification | lane | content | from | what |',
    '|---|---|---|---|---|---|',
    ...rows,
  ].join('\n');
}
