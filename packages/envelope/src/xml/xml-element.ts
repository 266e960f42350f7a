import { BackhaulError } from '@backhaul/runtime';
import type { Field } from './fields.ts';

/** A parsed element. Names and values from outside live in a Map and in arrays, never as keys of objects [T-A3]. */
export class XmlElement {
  readonly name: string;
  readonly attributes: Map<string, string>;
  readonly children: XmlElement[] = [];
  /** text before the first child */
  text = '';
  /** text after a child */
  tail = '';

  constructor(name: string, attributes: Map<string, string>) {
    this.name = name;
    this.attributes = attributes;
  }

  /** Refuses text: for elements that hold nothing or only elements. Throws BH-E-XML-ELEMENT. */
  withoutText(): this {
    if (this.text.trim() !== '' || this.tail.trim() !== '') this.#refuse(`text in <${this.name}>`);
    return this;
  }

  /** Refuses children. Throws BH-E-XML-ELEMENT. */
  withoutChildren(): this {
    const [child] = this.children;
    if (child !== undefined) this.#refuse(`<${child.name}> in <${this.name}>`);
    return this;
  }

  /** Refuses attributes not named here, unless a newer minor version may have added them. Throws BH-E-XML-ELEMENT. */
  withAttributes(known: ReadonlySet<string>, lenient = false): this {
    if (!lenient)
      for (const name of this.attributes.keys())
        if (!known.has(name)) this.#refuse(`attribute ${name} of <${this.name}>`);
    return this;
  }

  /** Throws BH-E-XML-ELEMENT when it is missing, else what the field throws. */
  get<T>(name: string, field: Field<T>): T {
    const value = this.attributes.get(name);
    if (value === undefined) return this.#refuse(`<${this.name}> has no ${name}`);
    return field.read(value, `${this.name} ${name}`);
  }

  find<T>(name: string, field: Field<T>): T | undefined {
    const value = this.attributes.get(name);
    return value === undefined ? undefined : field.read(value, `${this.name} ${name}`);
  }

  #refuse(detail: string): never {
    throw new BackhaulError('BH-E-XML-ELEMENT', { detail });
  }
}
