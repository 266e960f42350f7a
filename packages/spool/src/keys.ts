/** Numbers in keys have twelve digits, so that key order is number order. */
const DIGITS = 12;

export function numberKey(number: number): string {
  return String(number).padStart(DIGITS, '0');
}

export function numberOf(key: string): number {
  return Number(key.slice(key.lastIndexOf('/') + 1));
}

/** A name as one segment of a key: ASCII, without a slash. */
export function nameKey(name: string): string {
  return encodeURIComponent(name);
}

export function nameOf(segment: string): string {
  return decodeURIComponent(segment);
}

/** The first key after all keys that start with `prefix`. */
export function prefixEnd(prefix: string): string {
  if (prefix === '') return '\x7f';
  return prefix.slice(0, -1) + String.fromCharCode(prefix.charCodeAt(prefix.length - 1) + 1);
}

export function putJson(key: string, value: unknown): { type: 'put'; key: string; value: Buffer } {
  return { type: 'put', key, value: Buffer.from(JSON.stringify(value)) };
}

export function parseJson<T>(bytes: Uint8Array): T {
  return JSON.parse(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString()) as T;
}
