import { BackhaulError } from '@backhaul/runtime';
import { expect } from 'chai';
import type { Verb } from '../src/verb.ts';
import { VERBS } from '../src/verbs/index.ts';
import { removeTemporaryFolders, runIn, temporaryFolder } from './test-context.ts';

const shown = VERBS.filter((verb) => !verb.internal);

function failing(error: unknown): Verb {
  return {
    path: 'fail',
    summary: 'fails',
    examples: ['backhaul fail'],
    run: async () => {
      throw error;
    },
  };
}

describe('The command line', () => {
  let folder = '';
  before(() => {
    folder = temporaryFolder();
  });
  after(removeTemporaryFolders);

  it('has each verb once', () => {
    const paths = VERBS.map(({ path }) => path);
    expect(new Set(paths).size).to.equal(paths.length);
  });

  for (const verb of shown) {
    it(`backhaul ${verb.path} --help says what it does, with examples`, async () => {
      const { exitCode, stdout, stderr } = await runIn(folder, [...verb.path.split(' '), '--help']);
      expect(exitCode).to.equal(0);
      expect(stderr).to.equal('');
      expect(stdout.replace(/\s+/g, ' ')).to.include(verb.summary.replace(/\s+/g, ' '));
      expect(stdout).to.include(`Examples:\n  ${verb.examples[0]}`);
      expect(stdout).to.include('--json');
      for (const [flags] of verb.options ?? []) expect(stdout).to.include(flags);
    });
  }

  it('shows all verbs in its help, but not those that other programs start', async () => {
    const { stdout } = await runIn(folder, ['--help']);
    for (const word of new Set(shown.map(({ path }) => path.split(' ')[0]!)))
      expect(stdout).to.match(new RegExp(`^  ${word}\\b`, 'm'));
    expect(stdout).to.not.include('host-integrator');
  });

  it('has examples in the help of a group of verbs too', async () => {
    for (const group of new Set(
      shown.filter(({ path }) => path.includes(' ')).map(({ path }) => path.split(' ')[0]!),
    )) {
      expect((await runIn(folder, [group, '--help'])).stdout).to.include(`Examples:\n  backhaul ${group}`);
    }
  });

  it('prints its version', async () => {
    const { exitCode, stdout } = await runIn(folder, ['--version']);
    expect(exitCode).to.equal(0);
    expect(stdout).to.match(/^\d+\.\d+\.\d+\n$/);
  });

  const wrong: readonly (readonly string[])[] = [
    [],
    ['no-such-verb'],
    ['components', '--no-such-option'],
    ['customers', 'add'],
    ['customers', 'add', 'a', 'b'],
    ['send', 'ping', '--url', 'https://127.0.0.1:1'],
    ['trace'],
    ['proxy'],
    ['completion', 'tcsh'],
    ['config', 'check', 'router', 'x.yaml'],
    ['status'],
    ['status', '--url', 'http://127.0.0.1:1', '--token-file', '-'],
  ];
  for (const argv of wrong) {
    it(`gives 2 for: backhaul ${argv.join(' ')}`, async () => {
      const { exitCode, stderr, stdout } = await runIn(folder, argv, { stdin: 'token' });
      expect(exitCode).to.equal(2);
      expect(stderr).to.not.equal('');
      expect(stdout).to.equal('');
      expect(stderr).to.not.match(/^\s+at .*:\d+:\d+\)?$/m);
    });
  }

  it('says what was meant by a misspelt verb', async () => {
    const { stderr } = await runIn(folder, ['componets']);
    expect(stderr).to.include('BH-E-USAGE');
    expect(stderr).to.include('components');
  });

  it('gives 1 for a failure: code, sentence, what exactly, no stack', async () => {
    const error = new BackhaulError('BH-E-NOT-FOUND', { detail: 'no site \u001b[31msite-z', retryAfterMs: 2500 });
    const { exitCode, stderr } = await runIn(folder, ['fail'], { verbs: [failing(error)] });
    expect(exitCode).to.equal(1);
    expect(stderr).to.equal(
      `backhaul: BH-E-NOT-FOUND: ${error.sentence}\n  no site \\u{1b}[31msite-z\n  Try again in 3 s.\n`,
    );
  });

  it('names the file that may not be used, and does not call it a bug', async () => {
    const error = Object.assign(new Error("EACCES: permission denied, open '/data/store'"), {
      ...{ code: 'EACCES', syscall: 'open', path: '/data/store' },
    });
    const { exitCode, stderr } = await runIn(folder, ['fail'], { verbs: [failing(error)] });
    expect(exitCode).to.equal(1);
    expect(stderr).to.include('BH-E-FILE').and.include('/data/store');
  });

  it('shows the stack of the unexpected only with --debug', async () => {
    const verbs = [failing(new TypeError('oops'))];
    const plain = await runIn(folder, ['fail'], { verbs });
    expect(plain.stderr).to.include('BH-E-INTERNAL').and.include('oops').and.include('--debug');
    expect(plain.stderr).to.not.match(/^\s+at .*:\d+:\d+\)?$/m);
    const debug = await runIn(folder, ['fail', '--debug'], { verbs });
    expect(debug.stderr).to.match(/^\s+at .*:\d+:\d+\)?$/m);
  });

  it('prints one JSON document with --json, of a failure too', async () => {
    const verbs: Verb[] = [
      { path: 'do', summary: 'does', examples: ['backhaul do'], run: async () => ({ json: { a: 1 }, text: 'one' }) },
      failing(new BackhaulError('BH-E-AUTH')),
    ];
    expect(JSON.parse((await runIn(folder, ['do', '--json'], { verbs })).stdout)).to.deep.equal({ a: 1 });
    expect(JSON.parse((await runIn(folder, ['--json', 'do'], { verbs })).stdout)).to.deep.equal({ a: 1 });
    expect((await runIn(folder, ['do'], { verbs })).stdout).to.equal('one\n');
    expect(JSON.parse((await runIn(folder, ['fail', '--json'], { verbs })).stdout)).to.have.nested.property(
      'error.code',
      'BH-E-AUTH',
    );
    expect(JSON.parse((await runIn(folder, ['nothing', '--json'], { verbs })).stdout)).to.have.nested.property(
      'error.code',
      'BH-E-USAGE',
    );
  });

  for (const shell of ['bash', 'zsh', 'fish']) {
    it(`completes every verb in ${shell}`, async () => {
      const { exitCode, stdout } = await runIn(folder, ['completion', shell]);
      expect(exitCode).to.equal(0);
      for (const word of shown.flatMap(({ path }) => path.split(' '))) expect(stdout).to.include(word);
      expect(stdout).to.not.include('host-integrator');
    });
  }
});
