import { BackhaulError } from '@backhaul/runtime';
import { LIMITS } from '../limits.ts';
import type { Data, DataElement } from '../message.ts';

/** Bytes of what the element stands for: the text as UTF-8, or what the base64 decodes to. Throws BH-E-XML-VALUE for bad base64. */
export function dataSize(data: DataElement): number {
  if (data.encoding === 'none') return Buffer.byteLength(data.text, 'utf8');
  return base64Size(data.text);
}

/** JSON as a content of its own. Throws BH-E-JSON for what JSON cannot say. */
export function jsonData(value: unknown): Data {
  return { type: 'data', ...jsonElement(value) };
}

/** JSON inside an alarm, an event or a response. Throws BH-E-JSON for what JSON cannot say. */
export function jsonElement(value: unknown): DataElement {
  const text = JSON.stringify(value);
  if (text === undefined) throw new BackhaulError('BH-E-JSON', { detail: typeof value });
  // JSON.stringify leaves U+FFFE and U+FFFF and DEL as they are; XML cannot carry the first two.
  return { mimeType: 'application/json', encoding: 'none', text: text.replace(/[\ufffe\uffff]/g, escapeUnit) };
}

const escapeUnit = (unit: string) => `\\u${unit.charCodeAt(0).toString(16)}`;

/** Bytes as base64. */
export function binaryElement(mimeType: string, bytes: Uint8Array): DataElement {
  const text = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('base64');
  return { mimeType, encoding: 'base64', text };
}

/** The bytes the element stands for. Throws BH-E-XML-VALUE for bad base64. */
export function bytesOf(data: DataElement): Buffer {
  if (data.encoding === 'none') return Buffer.from(data.text, 'utf8');
  base64Size(data.text);
  return Buffer.from(data.text, 'base64');
}

/** The value of a JSON element. Throws BH-E-JSON; BH-E-NAME for `__proto__` and the like; BH-E-LIMIT-DEPTH. */
export function jsonOf(data: DataElement | undefined): unknown {
  if (data?.mimeType !== 'application/json' || data.encoding !== 'none')
    throw new BackhaulError('BH-E-JSON', { detail: 'a data element of application/json, encoding none' });
  let value: unknown;
  try {
    value = JSON.parse(data.text);
  } catch (cause) {
    throw new BackhaulError('BH-E-JSON', { cause });
  }
  return boundedJson(value);
}

/** The value itself. Throws BH-E-NAME for `__proto__` and the like; BH-E-LIMIT-DEPTH. */
export function boundedJson(value: unknown): unknown {
  checkNames(value, 1);
  return value;
}

/** [T-A3] names that could reach a prototype are refused at any depth. */
function checkNames(value: unknown, depth: number): void {
  if (typeof value !== 'object' || value === null) return;
  if (depth > LIMITS.depth) throw new BackhaulError('BH-E-LIMIT-DEPTH', { detail: 'JSON' });
  if (Array.isArray(value)) {
    for (const item of value) checkNames(item, depth + 1);
    return;
  }
  for (const [name, item] of Object.entries(value)) {
    if (name === '__proto__' || name === 'constructor' || name === 'prototype')
      throw new BackhaulError('BH-E-NAME', { detail: name });
    checkNames(item, depth + 1);
  }
}

/** Decoded length of canonical base64 (RFC 4648 §4, padded, no blanks). */
function base64Size(text: string): number {
  const padding = text.endsWith('==') ? 2 : text.endsWith('=') ? 1 : 0;
  const digits = text.length - padding;
  let good = text.length % 4 === 0;
  for (let i = 0; good && i < digits; i++) good = isBase64(text.charCodeAt(i));
  if (!good) throw new BackhaulError('BH-E-XML-VALUE', { detail: 'data is not base64' });
  return (text.length / 4) * 3 - padding;
}

function isBase64(code: number): boolean {
  return (
    (code >= 0x61 && code <= 0x7a) ||
    (code >= 0x41 && code <= 0x5a) ||
    (code >= 0x30 && code <= 0x39) ||
    code === 0x2b ||
    code === 0x2f
  );
}
