import { isUtf8 } from 'node:buffer';
import { XmlElement } from '../xml/xml-element.ts';
import { HEADER_ELEMENTS } from './header-vocabulary.ts';

/**
 * The canonical form of a header, scanned without a parser: ten times as fast, for the envelope route. It knows exactly what
 * `writeHeader` makes of values that need no escaping; anything else gives undefined, and the parser behind its gate decides. What
 * it accepts the parser accepts with the same result (a property test holds them equal).
 */
export function scanCanonicalHeader(bytes: Uint8Array): XmlElement | undefined {
  if (!isUtf8(bytes)) return undefined;
  const text = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('utf8');
  if (UNUSUAL.test(text)) return undefined;
  const scan = new Scan(text);
  const root = scan.tag('>');
  if (root?.name !== 'header') return undefined;
  while (!scan.isAt('</header>')) {
    const child = scan.tag('/>');
    if (child === undefined) return undefined;
    root.children.push(child);
  }
  return scan.ends('</header>') ? root : undefined;
}

/** References, control characters (line breaks too) and what XML cannot carry: not for this path. */
const UNUSUAL = /[&\u0000-\u001f\ufffe\uffff]/;

const VOCABULARY: ReadonlyMap<string, ReadonlySet<string>> = new Map(
  Object.entries(HEADER_ELEMENTS).map(([element, attributes]) => [element, new Set<string>(attributes)]),
);

class Scan {
  readonly #text: string;
  #at = 0;

  constructor(text: string) {
    this.#text = text;
  }

  isAt(expected: string): boolean {
    return this.#text.startsWith(expected, this.#at);
  }

  /** `expected` stands here and nothing after it. */
  ends(expected: string): boolean {
    return this.isAt(expected) && this.#text.length === this.#at + expected.length;
  }

  /** `<name a="…" b="…"` and then `close`; undefined for anything else. */
  tag(close: '>' | '/>'): XmlElement | undefined {
    const name = this.#elementName();
    const known = VOCABULARY.get(name);
    if (known === undefined) return undefined;
    const attributes = new Map<string, string>();
    while (this.isAt(' ')) if (!this.#attribute(known, attributes)) return undefined;
    if (!this.isAt(close)) return undefined;
    this.#at += close.length;
    return new XmlElement(name, attributes);
  }

  /** Elements of a header have attributes, so a blank ends the name. */
  #elementName(): string {
    if (!this.isAt('<')) return '';
    const end = this.#text.indexOf(' ', this.#at);
    if (end < 0) return '';
    const name = this.#text.slice(this.#at + 1, end);
    this.#at = end;
    return name;
  }

  #attribute(known: ReadonlySet<string>, attributes: Map<string, string>): boolean {
    const equals = this.#text.indexOf('="', this.#at);
    const end = this.#text.indexOf('"', equals + 2);
    if (equals < 0 || end < 0) return false;
    const name = this.#text.slice(this.#at + 1, equals);
    const value = this.#text.slice(equals + 2, end);
    if (!known.has(name) || attributes.has(name) || value.includes('<')) return false;
    attributes.set(name, value);
    this.#at = end + 1;
    return true;
  }
}
