import { BackhaulError } from '@backhaul/runtime';

/** The header block of one part. Only these four fields exist; anything else is refused. */
export interface PartHeaders {
  /** without the angle brackets */
  readonly contentId: string;
  readonly contentLength: number | undefined;
}

const FIELDS = ['content-id', 'content-type', 'content-length', 'content-transfer-encoding'] as const;
type FieldName = (typeof FIELDS)[number];

const LINE = /^([A-Za-z-]{1,32}):[ \t]{0,8}([\x21-\x7e](?:[\x20-\x7e]{0,250}[\x21-\x7e])?)$/;
const CONTENT_TYPE = /^application\/xml(?:; {0,4}charset="?utf-8"?)?$/i;
const CONTENT_ID = /^<([A-Za-z0-9._-]{1,128})>$/;

/** The block exactly as we write it: two values between fixed pieces. */
const BEFORE_ID = 'Content-ID: <';
const BEFORE_LENGTH = '>\r\nContent-Type: application/xml\r\nContent-Length: ';
const ID = /^[A-Za-z0-9._-]{1,128}$/;
const LENGTH = /^(?:0|[1-9][0-9]{0,8})$/;

/** `block` is without the blank line at its end. Throws BH-E-MIME-HEADER, BH-E-MIME-PART (Content-ID). */
export function readPartHeaders(block: string): PartHeaders {
  const ours = readOurs(block);
  if (ours !== undefined) return ours;
  const fields = new Map<FieldName, string>();
  for (const line of block.split('\r\n')) addField(fields, line);
  if (!CONTENT_TYPE.test(fields.get('content-type') ?? ''))
    throw malformed('Content-Type is not application/xml in UTF-8');
  const encoding = fields.get('content-transfer-encoding');
  if (encoding !== undefined && encoding.toLowerCase() !== 'binary')
    throw malformed('Content-Transfer-Encoding is not binary');
  return {
    contentId: readContentId(fields.get('content-id')),
    contentLength: readLength(fields.get('content-length')),
  };
}

function readOurs(block: string): PartHeaders | undefined {
  const end = block.indexOf(BEFORE_LENGTH);
  if (end < 0 || !block.startsWith(BEFORE_ID)) return undefined;
  const contentId = block.slice(BEFORE_ID.length, end);
  const length = block.slice(end + BEFORE_LENGTH.length);
  return ID.test(contentId) && LENGTH.test(length) ? { contentId, contentLength: Number(length) } : undefined;
}

function malformed(detail: string): BackhaulError {
  return new BackhaulError('BH-E-MIME-HEADER', { detail });
}

/** A line that begins with a blank (folded), holds a bare CR, LF, NUL or 8-bit characters, or is unknown, is no field of ours. */
function addField(fields: Map<FieldName, string>, line: string): void {
  const match = LINE.exec(line);
  if (match === null) throw malformed('a malformed line');
  const lower = (match[1] as string).toLowerCase();
  const name = FIELDS.find((field) => field === lower);
  if (name === undefined) throw malformed(`${match[1]} is not known here`);
  if (fields.has(name)) throw malformed(`${match[1]} stands twice`);
  fields.set(name, match[2] as string);
}

function readContentId(value: string | undefined): string {
  if (value === undefined) throw malformed('Content-ID is missing');
  const match = CONTENT_ID.exec(value);
  if (match === null) throw new BackhaulError('BH-E-MIME-PART', { detail: `Content-ID ${value.slice(0, 64)}` });
  return match[1] as string;
}

function readLength(value: string | undefined): number | undefined {
  if (value === undefined) return undefined;
  if (!LENGTH.test(value)) throw malformed('Content-Length is not a number');
  return Number(value);
}
