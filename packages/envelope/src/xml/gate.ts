import { isUtf8 } from 'node:buffer';
import { BackhaulError, type ErrorCode } from '@backhaul/runtime';
import { LIMITS } from '../limits.ts';
import { isXmlCharacter } from './characters.ts';

/**
 * What a document passes before the parser sees it: bytes first, then one pass over the characters, linear in their number.
 * The parser accepts mismatched tags, two roots, `<` in attributes and undeclared entities; here they are refused.
 * Stricter than XML: no DOCTYPE, no comments, no CDATA, no processing instructions, no namespaces, no raw line breaks in attributes.
 */
export function passGate(bytes: Uint8Array): string {
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  refuseOtherEncodings(buffer);
  refuseMarkupDeclarations(buffer);
  const text = buffer.toString('utf8');
  checkForm(text, skipDeclaration(text));
  return text;
}

const refuse = (code: ErrorCode, detail: string): never => {
  throw new BackhaulError(code, { detail });
};

function refuseOtherEncodings(bytes: Buffer): void {
  const first = bytes[0] ?? 0;
  const second = bytes[1] ?? 0;
  if ((first === 0xfe && second === 0xff) || (first === 0xff && second === 0xfe) || (first === 0xef && second === 0xbb))
    refuse('BH-E-XML-ENCODING', 'a byte order mark');
  if (bytes.length > 1 && (first === 0 || second === 0)) refuse('BH-E-XML-ENCODING', 'UTF-16 or UTF-32');
  if (!isUtf8(bytes)) refuse('BH-E-XML-ENCODING', 'bytes that are not UTF-8');
}

/** [T-A1] on bytes, before anything is parsed */
function refuseMarkupDeclarations(bytes: Buffer): void {
  const at = bytes.indexOf('<!');
  if (at < 0) return;
  const third = bytes[at + 2];
  if (third === 0x2d || third === 0x5b)
    refuse('BH-E-XML-FORM', 'comments and CDATA sections are not part of this wire');
  refuse('BH-E-XML-DTD', `at byte ${at}`);
}

const DECLARATION =
  /^<\?xml[ \t\r\n]{1,8}version=["']1\.0["'](?:[ \t\r\n]{1,8}encoding=["']([A-Za-z][A-Za-z0-9._-]{0,40})["'])?(?:[ \t\r\n]{1,8}standalone=["'](?:yes|no)["'])?[ \t\r\n]{0,8}\?>/;

/** Gives the offset after `<?xml …?>`, if there is one. */
function skipDeclaration(text: string): number {
  if (!text.startsWith('<?')) return 0;
  const match = DECLARATION.exec(text.slice(0, 200));
  if (match === null) return refuse('BH-E-XML-FORM', 'the XML declaration');
  if (match[1] !== undefined && match[1].toLowerCase() !== 'utf-8') refuse('BH-E-XML-ENCODING', `encoding ${match[1]}`);
  return match[0].length;
}

function checkForm(text: string, start: number): void {
  let at = skipBlanks(text, start);
  if (text.charCodeAt(at) !== LT) refuse('BH-E-XML-FORM', 'no root element');
  const open: string[] = [];
  do {
    at = text.charCodeAt(at) === LT ? checkTag(text, at + 1, open) : checkText(text, at);
  } while (open.length > 0);
  if (skipBlanks(text, at) !== text.length) refuse('BH-E-XML-FORM', 'something stands after the root element');
}

const LT = 0x3c;
const GT = 0x3e;
const AMP = 0x26;
const SLASH = 0x2f;
const EQUALS = 0x3d;

const isBlank = (code: number) => code === 0x20 || code === 0x0a || code === 0x0d || code === 0x09;

function skipBlanks(text: string, at: number): number {
  while (isBlank(text.charCodeAt(at))) at++;
  return at;
}

/** One start, end or empty-element tag; `at` is after its `<`. Gives the offset after its `>`. */
function checkTag(text: string, at: number, open: string[]): number {
  if (text.charCodeAt(at) === SLASH) return checkEndTag(text, at + 1, open);
  const end = endOfName(text, at);
  const name = text.slice(at, end);
  checkName(name);
  at = checkAttributes(text, end);
  if (open.length + 1 > LIMITS.depth) refuse('BH-E-LIMIT-DEPTH', `<${name}>`);
  if (text.charCodeAt(at) === GT) {
    open.push(name);
    return at + 1;
  }
  if (text.charCodeAt(at) !== SLASH || text.charCodeAt(at + 1) !== GT) refuse('BH-E-XML-FORM', `in the tag <${name}>`);
  return at + 2;
}

function checkEndTag(text: string, at: number, open: string[]): number {
  const end = endOfName(text, at);
  const name = text.slice(at, end);
  if (open.pop() !== name) refuse('BH-E-XML-FORM', `</${name.slice(0, 64)}> closes nothing`);
  at = skipBlanks(text, end);
  if (text.charCodeAt(at) !== GT) refuse('BH-E-XML-FORM', `in the tag </${name}>`);
  return at + 1;
}

/** Everything up to a character that cannot be part of a name; longer than the limit is refused before anything is done with it. */
function endOfName(text: string, at: number): number {
  const start = at;
  for (;;) {
    const code = text.charCodeAt(at);
    if (!isNameCharacter(code)) break;
    at++;
    if (at - start > LIMITS.nameBytes) refuse('BH-E-LIMIT-NAME', `${text.slice(start, start + 32)}…`);
  }
  const code = text.charCodeAt(at);
  if (code === 0x3a || code >= 0x80) refuse('BH-E-XML-ELEMENT', 'names are ASCII, without namespaces');
  if (at === start) refuse('BH-E-XML-FORM', 'a name is missing or begins with a character not allowed');
  return at;
}

function isNameCharacter(code: number): boolean {
  return (
    (code >= 0x61 && code <= 0x7a) ||
    (code >= 0x41 && code <= 0x5a) ||
    code === 0x5f ||
    (code >= 0x30 && code <= 0x39) ||
    code === 0x2d ||
    code === 0x2e
  );
}

/** [T-A3] `__proto__`, `constructor` and their like are refused before any object could see them. */
function checkName(name: string): void {
  const first = name.charCodeAt(0);
  if (first < 0x41) refuse('BH-E-XML-FORM', `a name begins with ${name.slice(0, 1)}`);
  if (name === 'prototype' || name in Object.prototype) refuse('BH-E-NAME', name);
}

/** Gives the offset of the `>` or `/` that ends the tag. */
function checkAttributes(text: string, at: number): number {
  const names: string[] = [];
  for (;;) {
    const next = skipBlanks(text, at);
    const code = text.charCodeAt(next);
    if (code === GT || code === SLASH) return next;
    if (next === at) refuse('BH-E-XML-FORM', 'a blank is missing before an attribute, or the tag does not end');
    const end = endOfName(text, next);
    const name = text.slice(next, end);
    checkName(name);
    if (names.includes(name)) refuse('BH-E-XML-FORM', `attribute ${name} stands twice`);
    if (names.push(name) > LIMITS.attributes) refuse('BH-E-LIMIT-ATTRIBUTES', name);
    at = checkValue(text, end, name);
  }
}

/** `="…"`; gives the offset after the closing quote. */
function checkValue(text: string, at: number, name: string): number {
  at = skipBlanks(text, at);
  if (text.charCodeAt(at) !== EQUALS) refuse('BH-E-XML-FORM', `attribute ${name} has no value`);
  at = skipBlanks(text, at + 1);
  const quote = text.charCodeAt(at);
  if (quote !== 0x22 && quote !== 0x27) refuse('BH-E-XML-FORM', `attribute ${name} is not quoted`);
  for (at++; at < text.length; at++) {
    const code = text.charCodeAt(at);
    if (code === quote) return at + 1;
    if (code === LT) refuse('BH-E-XML-FORM', `< in attribute ${name}`);
    if (code === AMP) at = checkReference(text, at);
    else if (code < 0x20) refuseControl(code, name);
    else if (code > 0xfffd) refuse('BH-E-CHAR', name);
  }
  return refuse('BH-E-XML-FORM', `attribute ${name} does not end`);
}

function refuseControl(code: number, name: string): never {
  if (isXmlCharacter(code))
    return refuse('BH-E-XML-FORM', `a raw line break or tab in attribute ${name}; write &#10; or &#9;`);
  return refuse('BH-E-CHAR', name);
}

/** Text between tags; gives the offset of the next `<`. */
function checkText(text: string, at: number): number {
  const start = at;
  for (; at < text.length; at++) {
    const code = text.charCodeAt(at);
    if (code === LT) return at;
    if (code === AMP) at = checkReference(text, at);
    else if (code === GT && at >= start + 2 && text.startsWith(']]>', at - 2)) refuse('BH-E-XML-FORM', ']]> in text');
    else if ((code < 0x20 && !isXmlCharacter(code)) || code > 0xfffd) refuse('BH-E-CHAR', 'text');
  }
  return refuse('BH-E-XML-FORM', 'an element is not closed');
}

const REFERENCE = /&(?:lt|gt|amp|quot|apos|#([0-9]{1,7})|#x([0-9a-fA-F]{1,6}));/y;

/** Gives the offset of the `;`. Only the five entities of XML and numeric references exist. */
function checkReference(text: string, at: number): number {
  REFERENCE.lastIndex = at;
  const match = REFERENCE.exec(text);
  if (match === null) return refuse('BH-E-XML-FORM', `an undeclared entity or a bare & (${text.slice(at, at + 16)})`);
  const [, decimal, hexadecimal] = match;
  if (decimal !== undefined && !isXmlCharacter(Number.parseInt(decimal, 10))) refuse('BH-E-CHAR', match[0]);
  if (hexadecimal !== undefined && !isXmlCharacter(Number.parseInt(hexadecimal, 16))) refuse('BH-E-CHAR', match[0]);
  return REFERENCE.lastIndex - 1;
}
