/** A piece of a page. Only `html` makes one, and `html` escapes whatever is not one already [THREATS A21]. */
export class Html {
  readonly #text: string;

  private constructor(text: string) {
    this.#text = text;
  }

  static build(strings: TemplateStringsArray, values: readonly Piece[]): Html {
    return new Html(strings.map((text, index) => text + (index < values.length ? render(values[index]) : '')).join(''));
  }

  toString(): string {
    return this.#text;
  }
}

export type Piece = Html | string | number | undefined | null | false | readonly Piece[];

/** The one way to make a page: every value is text, in elements and in quoted attributes alike. */
export function html(strings: TemplateStringsArray, ...values: Piece[]): Html {
  return Html.build(strings, values);
}

const ESCAPES: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
};
/** Control characters, and the ones that reorder text on the screen. */
const INVISIBLE = /[\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f-\u009f\u200e\u200f\u202a-\u202e\u2066-\u2069]/g;

function render(value: Piece): string {
  if (value instanceof Html) return value.toString();
  if (value === undefined || value === null || value === false) return '';
  if (typeof value === 'object') return value.map(render).join('');
  return String(value)
    .replace(INVISIBLE, '\ufffd')
    .replace(/[&<>"']/g, (character) => ESCAPES[character]!);
}
