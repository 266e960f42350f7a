import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { expect } from 'chai';
import { ROOT } from '../rules/source-files.ts';

const README = readFileSync(join(ROOT, 'README.md'), 'utf8');
const SCRIPTS = (JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as { scripts: Record<string, string> })
  .scripts;

describe('README.md', () => {
  it('names places that are there', () => {
    const places = [...README.matchAll(/`([\w./-]+\.ts):(\w+)`/g)].map((match) => ({
      file: match[1]!,
      name: match[2]!,
    }));
    expect(places.length).to.be.at.least(15);
    const lost = places.filter(({ file, name }) => {
      const path = join(ROOT, file);
      return (
        !existsSync(path) ||
        !new RegExp(`export (async )?(const|function|class) ${name}\\b`).test(readFileSync(path, 'utf8'))
      );
    });
    expect(lost).to.deep.equal([]);
  });

  it('names scripts that are there', () => {
    const named = [...README.matchAll(/npm (?:run )?(start|test|bench|build|lint)\b/g)].map((match) => match[1]!);
    expect(named.filter((name) => !Object.hasOwn(SCRIPTS, name))).to.deep.equal([]);
  });

  it('links to pages that are there, as every page does', () => {
    const pages = [
      'README.md',
      'CHANGELOG.md',
      ...['wire', 'integrator-api', 'operations', 'configuration', 'errors', 'performance', 'reliability'].map(
        (name) => `docs/${name}.md`,
      ),
    ];
    const broken = pages.flatMap((page) =>
      [...readFileSync(join(ROOT, page), 'utf8').matchAll(/\]\((?!https?:|#)([^)#]+)/g)]
        .map((match) => match[1]!)
        .filter((target) => !existsSync(join(ROOT, dirname(page), target)))
        .map((target) => `${page} → ${target}`),
    );
    expect(broken).to.deep.equal([]);
  });

  it('gives every outside library its reason', () => {
    const parts = [
      'packages/runtime',
      'packages/envelope',
      'packages/identity',
      'packages/spool',
      'packages/transport',
      'packages/modules',
      'packages/cli',
      'proxy',
      'mlm',
      'appserver',
      'certs',
    ];
    const used = new Set(
      parts
        .flatMap((part) =>
          Object.keys(
            (
              JSON.parse(readFileSync(join(ROOT, part, 'package.json'), 'utf8')) as {
                dependencies: Record<string, string>;
              }
            ).dependencies,
          ),
        )
        .filter((name) => !name.startsWith('@backhaul/')),
    );
    const table = README.slice(README.indexOf('### Libraries'));
    expect([...used].filter((name) => !new RegExp(`[|,] ${name}[ ,]`).test(table))).to.deep.equal([]);
  });
});
