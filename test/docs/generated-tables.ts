import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'chai';
import { ROOT } from '../rules/source-files.ts';

/**
 * Holds the part of a page between `<!-- name -->` and `<!-- /name -->` to what the code says. With UPDATE_DOCS=1 the page
 * is written instead.
 */
export function expectGenerated(page: string, name: string, wanted: string): void {
  const path = join(ROOT, page);
  const text = readFileSync(path, 'utf8');
  const [open, close] = [`<!-- ${name} -->\n`, `<!-- /${name} -->`];
  const from = text.indexOf(open) + open.length;
  const to = text.indexOf(close);
  expect(text.includes(open) && to >= from, `${page} has the marks ${open.trim()} … ${close}`).to.equal(true);
  if (process.env['UPDATE_DOCS'] === '1') writeFileSync(path, text.slice(0, from) + wanted + text.slice(to));
  else
    expect(text.slice(from, to), `${page} is up to date; UPDATE_DOCS=1 npm test -- test/docs writes it`).to.equal(
      wanted,
    );
}
