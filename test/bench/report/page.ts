import { readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const PAGE = fileURLToPath(new URL('../../../docs/performance.md', import.meta.url));

/** Puts the text into its place in docs/performance.md. */
export function writePage(part: 'bench' | 'profile', text: string): void {
  writeFileSync(PAGE, withPart(readFileSync(PAGE, 'utf8'), part, text));
}

/** A page with what stands between `<!-- name -->` and `<!-- /name -->` replaced. Throws where they are missing. */
export function withPart(page: string, name: string, text: string): string {
  const [open, close] = [`<!-- ${name} -->\n`, `<!-- /${name} -->`];
  const [from, to] = [page.indexOf(open), page.indexOf(close)];
  if (from < 0 || to < from) throw new Error(`the page has no marks ${open.trim()} … ${close}`);
  return page.slice(0, from + open.length) + text + page.slice(to);
}
