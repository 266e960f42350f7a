import { BackhaulError, type ErrorCode } from '@backhaul/runtime';
import { LIMITS } from '../limits.ts';
import { type Lane, WIRE_VERSION } from '../message.ts';
import { escapeAttribute } from './characters.ts';

/** How a value stands in an attribute: reader and writer share the rule, so that writing then reading is identity. */
export interface Field<T> {
  /** from the decoded attribute value */
  read(text: string, what: string): T;
  /** to the escaped attribute value */
  write(value: T, what: string): string;
}

/** Text of a fixed alphabet, which therefore never needs escaping. */
export interface Pattern extends Field<string> {
  /** of the whole value: from `^` to `$` */
  readonly expression: RegExp;
}

function pattern(expression: RegExp, code: ErrorCode): Pattern {
  const check = (text: string, what: string) => {
    if (typeof text !== 'string' || !expression.test(text)) throw new BackhaulError(code, { detail: show(what, text) });
    return text;
  };
  return { expression, read: check, write: check };
}

const show = (what: string, value: unknown) => `${what}: ${JSON.stringify(String(value).slice(0, 64))}`;

export function integer(min: number, max: number): Field<number> {
  const check = (value: number, what: string) => {
    if (!Number.isInteger(value) || value < min || value > max)
      throw new BackhaulError('BH-E-XML-VALUE', { detail: `${show(what, value)}, from ${min} to ${max}` });
    return value;
  };
  return {
    read(text, what) {
      if (!/^(?:0|[1-9][0-9]{0,15})$/.test(text))
        throw new BackhaulError('BH-E-XML-VALUE', { detail: show(what, text) });
      return check(Number(text), what);
    },
    write: (value, what) => String(check(value, what)),
  };
}

export function oneOf<const T extends string>(values: readonly T[]): Field<T> {
  const check = (text: string, what: string): T => {
    const found = values.find((value) => value === text);
    if (found === undefined)
      throw new BackhaulError('BH-E-XML-VALUE', { detail: `${show(what, text)}, one of ${values.join(', ')}` });
    return found;
  };
  return { read: check, write: check };
}

/** Any text XML can carry, up to `max` UTF-16 units. */
export function freeText(max: number, min = 1): Field<string> {
  const check = (text: string, what: string) => {
    if (typeof text !== 'string' || text.length < min || text.length > max)
      throw new BackhaulError('BH-E-XML-VALUE', { detail: `${what}: ${min} to ${max} characters` });
    return text;
  };
  return { read: check, write: (text, what) => escapeAttribute(check(text, what), what) };
}

/** display names, classes, groups [T-A11] */
export const name = pattern(/^[a-z0-9][a-z0-9._-]{0,63}$/, 'BH-E-NAME');
/** of components, integrators, support instances */
export const componentId = name;
/** 26 characters of Crockford's base 32 */
export const messageId = pattern(/^[0-9a-hjkmnp-tv-z]{26}$/, 'BH-E-NAME');
export const epoch = pattern(/^[0-9a-f]{16}$/, 'BH-E-XML-VALUE');
export const sha256 = pattern(/^[0-9a-f]{64}$/, 'BH-E-XML-VALUE');
export const softwareVersion = pattern(/^[0-9A-Za-z][0-9A-Za-z.+~_-]{0,63}$/, 'BH-E-XML-VALUE');
export const traceparent = pattern(/^[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}$/, 'BH-E-XML-VALUE');
export const mimeType = pattern(/^[a-z0-9][a-z0-9.+-]{0,63}\/[a-z0-9][a-z0-9.+-]{0,63}$/, 'BH-E-XML-VALUE');
/** of a refusal: `BH-E-…` of ours, or a module's own */
export const code = pattern(/^[A-Z][A-Za-z0-9-]{0,63}$/, 'BH-E-XML-VALUE');
/** A path relative to the hop that serves it; never a URL, no `..`, no empty segment [T-A10]. */
export const path = pattern(/^(?:\/(?!\.{1,2}(?:\/|$))[A-Za-z0-9._~-]{1,128}){1,16}$/, 'BH-E-NAME');

/** ms since 1970 */
export const time = integer(0, 8.64e15);
/** ms */
export const duration = integer(0, 1e13);
export const count = integer(0, Number.MAX_SAFE_INTEGER);
export const sequence = integer(1, Number.MAX_SAFE_INTEGER);
export const lane = integer(0, 8) as Field<Lane>;

export const flag: Field<boolean> = {
  read(text, what) {
    if (text !== 'true' && text !== 'false') throw new BackhaulError('BH-E-XML-VALUE', { detail: show(what, text) });
    return text === 'true';
  },
  write: (value, what) => {
    if (typeof value !== 'boolean') throw new BackhaulError('BH-E-XML-VALUE', { detail: show(what, value) });
    return value ? 'true' : 'false';
  },
};

/** Names separated by one blank, as in the NMTOKENS of the DTD. */
export function listOf(item: Field<string>, max: number): Field<readonly string[]> {
  const check = (values: readonly string[], what: string) => {
    if (values.length < 1 || values.length > max || new Set(values).size !== values.length)
      throw new BackhaulError('BH-E-XML-VALUE', { detail: `${what}: 1 to ${max} names, each once` });
    for (const value of values) item.read(value, what);
    return values;
  };
  return { read: (text, what) => check(text.split(' '), what), write: (values, what) => check(values, what).join(' ') };
}

const [MAJOR, MINOR] = WIRE_VERSION.split('.').map(Number) as [number, number];

/** Refuses another major version. Throws BH-E-VERSION. */
export const wireVersion: Field<string> = {
  read(text, what) {
    const match = /^([1-9][0-9]{0,2})\.(0|[1-9][0-9]{0,2})$/.exec(text);
    if (match === null || Number(match[1]) !== MAJOR)
      throw new BackhaulError('BH-E-VERSION', { detail: show(what, text) });
    return text;
  },
  write: (text, what) => wireVersion.read(text, what),
};

/** True for a later minor version than ours: it may have added attributes, which are then ignored. */
export function isNewerMinor(version: string): boolean {
  return Number(version.slice(version.indexOf('.') + 1)) > MINOR;
}

/** ` name="value"`, or nothing for an absent value. */
export function attribute<T>(name: string, field: Field<T>, value: T | undefined): string {
  return value === undefined ? '' : ` ${name}="${field.write(value, name)}"`;
}

/** Most UTF-16 units of what may be any text. */
export const LENGTHS = { eventKey: 512, supersedeKey: 64 } as const;

export const locator = oneOf(['source', 'destination']);
/** `<platform>/<management id>/<event id>`; the last may be any text of the platform */
export const eventKey = freeText(LENGTHS.eventKey);
/** names a state of which only the newest counts: `heartbeat` */
export const supersedeKey = freeText(LENGTHS.supersedeKey);
export const destinations = listOf(componentId, LIMITS.destinations);
