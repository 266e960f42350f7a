import { BackhaulError } from '@backhaul/runtime';

/**
 * What XML 1.0 can carry, and how it is written so that reading gives the same text again [T-A4].
 * Line breaks and tabs become character references, because a reader turns raw ones in attributes into blanks and `\r` into `\n`.
 */
const FORBIDDEN = /[\u0000-\u0008\u000b\u000c\u000e-\u001f\ufffe\uffff]/;
const TEXT_SPECIAL = /[&<>\r]/;
const ATTRIBUTE_SPECIAL = /[&<>"\t\n\r]/;

/** Throws BH-E-CHAR when the text holds U+0000, another control character, U+FFFE, U+FFFF or a lone surrogate. */
export function checkCharacters(text: string, what: string): void {
  if (FORBIDDEN.test(text) || !text.isWellFormed()) throw new BackhaulError('BH-E-CHAR', { detail: what });
}

/** Text between tags. Throws BH-E-CHAR. */
export function escapeText(text: string, what: string): string {
  checkCharacters(text, what);
  return TEXT_SPECIAL.test(text) ? text.replace(/[&<>\r]/g, reference) : text;
}

/** Text between double quotes. Throws BH-E-CHAR. */
export function escapeAttribute(text: string, what: string): string {
  checkCharacters(text, what);
  return ATTRIBUTE_SPECIAL.test(text) ? text.replace(/[&<>"\t\n\r]/g, reference) : text;
}

function reference(character: string): string {
  switch (character) {
    case '&':
      return '&amp;';
    case '<':
      return '&lt;';
    case '>':
      return '&gt;';
    case '"':
      return '&quot;';
    default:
      return `&#${character.charCodeAt(0)};`;
  }
}

/** True for the code points that may stand in a document of XML 1.0, written out or by reference. */
export function isXmlCharacter(code: number): boolean {
  if (code < 0x20) return code === 0x09 || code === 0x0a || code === 0x0d;
  return code <= 0xd7ff || (code >= 0xe000 && code <= 0xfffd) || (code >= 0x10000 && code <= 0x10ffff);
}

/** `&lt;` and the like, and numeric references, as text. The gate has refused every other reference before. */
export function decodeReferences(text: string): string {
  return text.includes('&')
    ? text.replace(/&(#x[0-9a-fA-F]{1,6}|#[0-9]{1,7}|[a-z]{2,4});/g, (_, name: string) => character(name))
    : text;
}

function character(name: string): string {
  switch (name) {
    case 'amp':
      return '&';
    case 'lt':
      return '<';
    case 'gt':
      return '>';
    case 'quot':
      return '"';
    case 'apos':
      return "'";
    default:
      return String.fromCodePoint(
        name.startsWith('#x') ? Number.parseInt(name.slice(2), 16) : Number.parseInt(name.slice(1), 10),
      );
  }
}
