import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { jsonData } from '@backhaul/envelope';
import { ERRORS } from '@backhaul/runtime';
import { leakCheck, need, temporaryDirectory } from '@backhaul/testkit';
import { expect } from 'chai';
import { PARENT, TestParent } from './support/test-parent.ts';
import { TestProxy } from './support/test-proxy.ts';

const PAGE = readFileSync(new URL('../../docs/integrator-api.md', import.meta.url), 'utf8');
const END = '--- end of block ---';

interface Example {
  readonly script: string;
  readonly expected?: { readonly kind: string; readonly text: string };
}

/** Each ```sh block, with the ```json or ```text block that follows before the next one. */
function examplesOf(page: string): Example[] {
  const blocks = [...page.matchAll(/^```(sh|json|text)\n([\s\S]*?)^```$/gm)].map(([, kind = '', text = '']) => ({
    kind,
    text,
  }));
  return blocks.flatMap(({ kind, text }, index) => {
    if (kind !== 'sh') return [];
    const next = blocks[index + 1];
    return [{ script: text, ...(next === undefined || next.kind === 'sh' ? {} : { expected: next }) }];
  });
}

describe('docs/integrator-api.md', () => {
  leakCheck({ before, after });
  const examples = examplesOf(PAGE);

  describe('its examples, in order, against a real proxy', () => {
    let outputs: string[];
    before(async function () {
      need(this, 'program', 'curl');
      const parent = await new TestParent().start();
      const proxy = await TestProxy.start({ parent });
      const folder = await temporaryDirectory();
      try {
        await parent.waitFor('infrastructure', 'heartbeat');
        const command = parent.waitFor('infrastructure', 'registration', 2).then(([, instance]) =>
          parent.send('command', 'get-status', jsonData({}), {
            destination: { kind: 'component', id: instance!.header.instance! },
          }),
        );
        const lost = parent.waitFor('x-rack-watch', 'link').then(([event]) => {
          const { id, class: cls, subclass, instance, eventKey } = event!.header;
          const item = { id, class: cls, subclass, instance, eventKey, reason: 'evicted', by: PARENT, at: Date.now() };
          return parent.send('infrastructure', 'rejection', jsonData({ items: [item] }));
        });
        outputs = await run(examples, { SOCKET: proxy.socketPath }, folder.path);
        await command;
        await lost;
        await parent.waitFor('command', 'get-status', 2);
      } finally {
        await folder.remove();
        await proxy.stop();
        await parent.stop();
      }
    });

    for (const [index, { script, expected }] of examples.entries()) {
      it(script.split('\n', 1)[0]!.slice(0, 110), () => {
        const output = outputs[index]!;
        if (expected === undefined) expect(output).equal('');
        else if (expected.kind === 'text') expect(output.trim()).equal(expected.text.trim());
        else expectShape(JSON.parse(output), JSON.parse(expected.text), '$');
      });
    }
  });

  it('names only codes that exist', () => {
    const codes = [...PAGE.matchAll(/BH-E-[A-Z-]+[A-Z]/g)].map(([code]) => code);
    expect(codes).not.empty;
    for (const code of codes) expect(ERRORS).property(code);
  });

  it('shows every route there is', () => {
    const files = ['registration', 'command', 'notice', 'integrator'].map(
      (name) => new URL(`../src/api/${name}-routes.ts`, import.meta.url),
    );
    const routes = files.map((file) => readFileSync(file, 'utf8')).join('');
    const paths = [...routes.matchAll(/router\.(?:get|post)\('([^']+)'/g)].map(([, path = '']) =>
      path.replace(':id', '$COMMAND'),
    );
    expect(paths).length.above(5);
    for (const path of [...paths, '/v1/alarms', '/v1/events', '/v1/data'])
      expect(PAGE, path).contain(`http://proxy${path}`);
  });
});

/** One shell runs them all, so that variables of one block are there in the next. */
function run(examples: readonly Example[], env: Record<string, string>, cwd: string): Promise<string[]> {
  const script = examples.map(({ script: text }) => `${text}\nprintf '\\n${END}\\n'`).join('\n');
  return new Promise((resolve, reject) => {
    execFile(
      'sh',
      ['-c', script],
      { env: { ...process.env, ...env }, cwd, timeout: 60_000 },
      (error, stdout, stderr) => {
        if (error || stderr !== '') return reject(error ?? new Error(stderr));
        resolve(stdout.split(`\n${END}\n`));
      },
    );
  });
}

/** What is shown is there: texts literally (`…` stands for anything), numbers as numbers, lists in full, objects at least. */
function expectShape(actual: unknown, shown: unknown, path: string): void {
  if (typeof shown === 'string') return void expect(String(actual), path).match(patternOf(shown));
  if (typeof shown === 'number') return void expect(actual, path).a('number');
  if (Array.isArray(shown)) {
    expect(actual, path).an('array').length(shown.length);
    for (const [index, item] of shown.entries()) expectShape((actual as unknown[])[index], item, `${path}[${index}]`);
  } else if (typeof shown === 'object' && shown !== null) {
    for (const [key, item] of Object.entries(shown))
      expectShape((actual as Record<string, unknown>)?.[key], item, `${path}.${key}`);
  } else expect(actual, path).equal(shown);
}

function patternOf(text: string): RegExp {
  return new RegExp(
    `^${text
      .split('…')
      .map((part) => part.replace(/[.*+?^${}()|[\]\\]/g, '\\$&'))
      .join('.+')}$`,
  );
}
