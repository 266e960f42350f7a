import { expect } from 'chai';
import { sourceFiles } from './source-files.ts';

/** Time, dice and timers live in `runtime` alone [DESIGN §9]; what runs in a browser or is a test's own is apart. */
const FORBIDDEN: readonly (readonly [string, RegExp])[] = [
  ['Date.now', /\bDate\.now\s*\(/],
  ['new Date()', /\bnew Date\s*\(\s*\)/],
  ['Math.random', /\bMath\.random\b/],
  ['setTimeout', /(?<![.\w])setTimeout\s*\(/],
  ['setInterval', /(?<![.\w])setInterval\s*\(/],
  ['performance.now', /\bperformance\.now\s*\(/],
  ['process.hrtime', /\bprocess\.hrtime\b/],
];

/** What deserialises or runs code from data [THREATS A30]. */
const DANGEROUS: readonly (readonly [string, RegExp])[] = [
  ['eval', /(?<![.\w])eval\s*\(/],
  ['new Function', /\bnew Function\s*\(/],
  ['v8.deserialize', /\bv8\.deserialize\b|\bdeserialize\b.*from 'node:v8'/],
  ['node:vm', /from 'node:vm'/],
  ['insecureHTTPParser', /insecureHTTPParser/],
  ['repair()', /\.repair\s*\(/],
];

describe('Sources', () => {
  const files = sourceFiles();
  const hits = (rules: readonly (readonly [string, RegExp])[], parts: (part: string) => boolean) =>
    files
      .filter((file) => parts(file.part))
      .flatMap((file) =>
        file.text
          .split('\n')
          .flatMap((line, index) =>
            rules
              .filter(([, rule]) => rule.test(line.replace(/\/\/.*$|^\s*\*.*$/, '')))
              .map(([name]) => `${file.path}:${index + 1} uses ${name}`),
          ),
      );

  it('take time, dice and timers from runtime', () => {
    expect(hits(FORBIDDEN, (part) => part !== 'runtime' && part !== 'testkit')).to.deep.equal([]);
  });

  it('T-A30: never run or deserialise code from data', () => {
    expect(hits(DANGEROUS, () => true)).to.deep.equal([]);
  });
});
