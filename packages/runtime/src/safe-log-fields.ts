import { Secret } from './secret.ts';

/** No field of a log line is longer, in UTF-8 bytes [A23]. */
export const LOG_FIELD_MAX_BYTES = 2048;
const MAX_DEPTH = 6;
const MAX_ENTRIES = 64;

/** C0, DEL, C1, line separators, and the characters that turn the reading direction around [A23]. */
const UNSAFE = /[\u0000-\u001f\u007f-\u009f\u061c\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069\ufeff]/g;
const SECRET_KEY = /(secret|password|passphrase|token|authorization|cookie|privatekey|proof|credentials)$/;
const PRIVATE_KEY = /-----BEGIN [A-Z ]*PRIVATE KEY-----/;
const URL_CREDENTIALS = /(:\/\/)[^\s/@:]{0,256}:[^\s/@]{1,256}@/g;

/** Text that shows on a terminal as it is written: control and bidi characters as `\u…`, at most 2 KiB. */
export function safeText(text: string): string {
  if (PRIVATE_KEY.test(text)) return '[secret]';
  const bounded = cap(text).replace(URL_CREDENTIALS, '$1[secret]@');
  return cap(bounded.replace(UNSAFE, (c) => `\\u${c.charCodeAt(0).toString(16).padStart(4, '0')}`));
}

/** Log fields that are safe to write: secrets hidden by type and by key, text escaped, depth and length bounded. */
export function safeFields(fields: object): Record<string, unknown> {
  return safeObject(fields, 0);
}

function safeObject(value: object, depth: number): Record<string, unknown> {
  const entries = Object.entries(value);
  const safe = entries
    .slice(0, MAX_ENTRIES)
    .map(([key, entry]) => [safeText(key), isSecretKey(key) ? '[secret]' : safeValue(entry, depth + 1)]);
  const omitted = entries.length > MAX_ENTRIES ? [['omitted', entries.length - MAX_ENTRIES]] : [];
  return Object.fromEntries([...safe, ...omitted]);
}

function safeValue(value: unknown, depth: number): unknown {
  if (typeof value === 'string') return safeText(value);
  if (typeof value === 'bigint') return value.toString();
  if (typeof value === 'function' || typeof value === 'symbol') return undefined;
  if (typeof value !== 'object' || value === null) return value;
  if (value instanceof Secret) return '[secret]';
  if (value instanceof Error) return safeError(value, depth);
  if (value instanceof Date) return value.toJSON();
  if (ArrayBuffer.isView(value)) return `[${value.byteLength} bytes]`;
  if (depth > MAX_DEPTH) return '[deeper]';
  if (value instanceof Map) return safeObject(Object.fromEntries(value), depth);
  if (Array.isArray(value) || value instanceof Set) return safeList([...value], depth);
  return safeObject(value, depth);
}

function safeList(list: unknown[], depth: number): unknown[] {
  const safe = list.slice(0, MAX_ENTRIES).map((entry) => safeValue(entry, depth + 1));
  return list.length > MAX_ENTRIES ? [...safe, `[${list.length - MAX_ENTRIES} more]`] : safe;
}

/** The stack goes as a list of lines, so that one event stays one line and nothing in a message can start another. */
function safeError(error: Error & { code?: unknown; cause?: unknown; errors?: unknown }, depth: number): object {
  const frames = (error.stack ?? '').split('\n').filter((line) => /^\s+at /.test(line));
  return {
    type: safeText(error.name),
    message: safeText(error.message),
    ...(error.code === undefined ? {} : { code: safeValue(error.code, depth) }),
    stack: frames.slice(0, 12).map((line) => safeText(line.trim())),
    ...(error.cause === undefined || depth > MAX_DEPTH ? {} : { cause: safeValue(error.cause, depth + 1) }),
    ...(Array.isArray(error.errors) && depth <= MAX_DEPTH ? { errors: safeList(error.errors, depth) } : {}),
  };
}

function isSecretKey(key: string): boolean {
  return SECRET_KEY.test(key.toLowerCase().replaceAll(/[^a-z]/g, ''));
}

function cap(text: string): string {
  if (text.length * 3 <= LOG_FIELD_MAX_BYTES) return text;
  const bytes = Buffer.from(text);
  if (bytes.length <= LOG_FIELD_MAX_BYTES) return text;
  return `${bytes
    .subarray(0, LOG_FIELD_MAX_BYTES - 8)
    .toString('utf8')
    .replace(/\ufffd+$/, '')}…`;
}
