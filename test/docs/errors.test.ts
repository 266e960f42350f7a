import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { ERRORS, type ErrorCode } from '@backhaul/runtime';
import { expect } from 'chai';
import { ROOT, sourceFiles } from '../rules/source-files.ts';
import { expectGenerated } from './generated-tables.ts';

describe('docs/errors.md', () => {
  it('lists every code with its status and what to do', () => {
    const rows = Object.entries(ERRORS).map(
      ([code, row]) => `| \`${code}\` | ${row.status} | ${row.retryable ? 'yes' : 'no'} | ${row.sentence} |`,
    );
    expectGenerated(
      'docs/errors.md',
      'codes',
      `| code | HTTP | try again | what happened, what to do |\n|---|---|---|---|\n${rows.join('\n')}\n`,
    );
  });

  it('has no code that nothing raises', () => {
    const sources = sourceFiles()
      .filter((file) => !file.path.endsWith('runtime/src/errors.ts'))
      .map((file) => file.text)
      .join('\n');
    const idle = (Object.keys(ERRORS) as ErrorCode[]).filter((code) => !sources.includes(code));
    expect(idle).to.deep.equal([]);
  });

  it('is where every code that a page names is listed', () => {
    const named = [
      'README.md',
      'docs/wire.md',
      'docs/integrator-api.md',
      'docs/operations.md',
      'docs/configuration.md',
    ].flatMap((page) =>
      [...readFileSync(join(ROOT, page), 'utf8').matchAll(/BH-E-[A-Z]+(?:-[A-Z]+)*/g)].map(
        (match) => `${page}: ${match[0]}`,
      ),
    );
    const unknown = named.filter((line) => !Object.hasOwn(ERRORS, line.split(': ')[1]!) && !line.endsWith('-'));
    expect(unknown).to.deep.equal([]);
  });
});
