import { randomBytes } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { chmod, mkdir, readdir, readFile, readlink, rm, stat, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { BackhaulError, systemClock } from '@backhaul/runtime';
import { type TemporaryDirectory, temporaryDirectory } from '@backhaul/testkit';
import { expect } from 'chai';
import { AuditLog, checkAuditChain } from '../src/installer/audit-log.ts';
import { Installer, type Progress } from '../src/installer/installer.ts';
import { matchesPattern } from '../src/installer/policy.ts';
import {
  otherKey,
  releaseKey,
  signed,
  type TestArtifact,
  type TestEntry,
  tar,
  tarGz,
  writePolicy,
} from './support/archives.ts';

const LIMITS = { maxUnpackedBytes: 16 * 1024 * 1024, maxFiles: 1_000, maxRatio: 200 };

describe('installer', () => {
  let folder: TemporaryDirectory;
  let software: string;
  let policyFile: string;
  let installer: Installer;

  const load = async (): Promise<Installer> => {
    const made = new Installer({ softwareDirectory: software, policyFile, limits: LIMITS, clock: systemClock });
    await made.load();
    return made;
  };
  const install = async (artifact: TestArtifact, path = join(folder.path, 'artifact')): Promise<Progress[]> => {
    await writeFile(path, artifact.bytes);
    const progress: Progress[] = [];
    await installer.install(artifact, path, (step) => progress.push(step));
    return progress;
  };
  const releases = () => readdir(join(software, 'demo-tool', 'releases')).catch(() => []);

  beforeEach(async () => {
    folder = await temporaryDirectory();
    software = join(folder.path, 'software');
    await mkdir(software);
    policyFile = join(folder.path, 'policy.json');
    await writePolicy(policyFile);
    installer = await load();
  });
  afterEach(() => folder.remove());

  it('unpacks into a folder of its own, switches `current`, reports, and records', async () => {
    const artifact = signed(
      await tarGz([
        { name: 'bin/', type: 'directory' },
        { name: 'bin/tool', text: '#!/bin/sh\n', mode: 0o755 },
        { name: 'README', text: 'read me' },
      ]),
    );
    const progress = await install(artifact);
    const current = join(software, 'demo-tool', 'current');
    expect(await readlink(current)).equal(`releases/${artifact.sha256}`);
    expect(await readFile(join(current, 'README'), 'utf8')).equal('read me');
    expect((await stat(join(current, 'bin', 'tool'))).mode & 0o777).equal(0o755);
    expect((await stat(join(software, 'demo-tool', 'releases', artifact.sha256))).mode & 0o777).equal(0o700);
    expect(progress.map(({ state }) => state).slice(0, 2)).deep.equal(['verified', 'started']);
    expect(progress.at(-1)).deep.equal({ state: 'percent', percent: 100 });
    const audit = await readFile(join(software, 'audit.jsonl'), 'utf8');
    expect(checkAuditChain(audit)).deep.equal({ ok: true });
    expect(audit).contain('"what":"installed"');
  });

  it('is idempotent, and the next version replaces it while the old one stays', async () => {
    const first = signed(await tarGz([{ name: 'a', text: '1' }]));
    const second = signed(await tarGz([{ name: 'a', text: '2' }]), { version: '1.0.1' });
    await install(first);
    await install(first);
    await install(second);
    expect(await readFile(join(software, 'demo-tool', 'current', 'a'), 'utf8')).equal('2');
    expect(await releases()).members([first.sha256, second.sha256]);
  });

  it('takes up after a crash in the middle of unpacking', async () => {
    const artifact = signed(await tarGz([{ name: 'a', text: '1' }]));
    await mkdir(join(software, 'demo-tool', 'releases', `.unpack-${artifact.sha256}`), { recursive: true });
    await writeFile(join(software, 'demo-tool', 'releases', `.unpack-${artifact.sha256}`, 'half'), 'x');
    await install(artifact);
    expect(await releases()).deep.equal([artifact.sha256]);
    expect(await readdir(join(software, 'demo-tool', 'current'))).deep.equal(['a']);
  });

  describe('judges by the policy of the site', () => {
    const code = async (attempt: Promise<unknown>): Promise<string> =>
      attempt.then(
        () => 'allowed',
        (error: BackhaulError) => error.code,
      );
    let artifact: TestArtifact;
    before(async () => {
      artifact = signed(await tarGz([{ name: 'a' }]));
    });

    it('denies everything without a policy', async () => {
      await rm(policyFile);
      expect(await code(installer.judge(artifact))).equal('BH-E-POLICY-KEY');
    });
    it('denies everything with a policy it cannot read, or that anyone may write', async () => {
      await writeFile(policyFile, '{"allow": ');
      expect(await code(installer.judge(artifact))).equal('BH-E-POLICY-KEY');
      await writePolicy(policyFile);
      await chmod(policyFile, 0o666);
      expect(await code(installer.judge(artifact))).equal('BH-E-POLICY-KEY');
    });
    it('allows what a line names, by key and by name', async () => {
      expect(await code(installer.judge(artifact))).equal('allowed');
      expect(await code(installer.judge(signed(artifact.bytes, {}, otherKey)))).equal('BH-E-POLICY-KEY');
      expect(await code(installer.judge(signed(artifact.bytes, { name: 'other-tool' })))).equal('BH-E-POLICY-DENY');
    });
    it('refuses a signature that is not over exactly these bytes', async () => {
      expect(await code(installer.judge({ ...artifact, manifest: artifact.manifest.replace('1.0.0', '1.0.1') }))).equal(
        'BH-E-SIGNATURE',
      );
      expect(await code(installer.judge({ ...artifact, publicKey: otherKey.publicKeyPem }))).equal('BH-E-SIGNATURE');
      expect(await code(installer.judge({ ...artifact, signature: 'AAAA' }))).equal('BH-E-SIGNATURE');
    });
    it('[T-A11] refuses names that are paths', async () => {
      for (const name of [
        '../up',
        '/abs',
        'a/b',
        'a\\b',
        '..',
        'A',
        'con\u0000',
        'x'.repeat(300),
        '%2e%2e',
        'ｄemo-x',
      ]) {
        expect(await code(installer.judge(signed(artifact.bytes, { name }))), name).oneOf(['BH-E-NAME', 'BH-E-SCHEMA']);
      }
      expect(await readdir(folder.path)).members(['software', 'policy.json']);
    });
    it('keeps the floor over a restart: a lower version is refused unless the site allows it', async () => {
      await install(signed(artifact.bytes, { version: '2.0.0' }));
      installer = await load();
      expect(await code(installer.judge(signed(artifact.bytes, { version: '1.9.9' })))).equal('BH-E-POLICY-DOWNGRADE');
      expect(await code(installer.judge(signed(artifact.bytes, { version: '2.0.0-rc.1' })))).equal(
        'BH-E-POLICY-DOWNGRADE',
      );
      await writePolicy(policyFile, { allow: [{ key: releaseKey.name, name: 'demo-*' }], allowDowngrade: true });
      expect(await code(installer.judge(signed(artifact.bytes, { version: '1.9.9' })))).equal('allowed');
    });
    it('does not start without its floors', async () => {
      await writeFile(join(software, 'floors.json'), '{"versions":');
      expect(await code(load())).equal('BH-E-JSON');
    });
    it('judges again at the install', async () => {
      await rm(policyFile);
      expect(await code(install(artifact))).equal('BH-E-POLICY-KEY');
      expect(await releases()).deep.equal([]);
    });
    it('knows `*` and nothing else', () => {
      for (const [name, pattern] of [
        ['demo-a', 'demo-*'],
        ['demo-', 'demo-*'],
        ['a', '*'],
        ['abc', 'a*c'],
        ['abcbc', 'a*bc'],
        ['x', 'x'],
      ])
        expect(matchesPattern(name!, pattern!), `${name} ${pattern}`).equal(true);
      for (const [name, pattern] of [
        ['demo', 'demo-*'],
        ['xdemo-a', 'demo-*'],
        ['ab', 'a*bb'],
        ['a', 'a*a'],
        ['demo', 'd.mo'],
        ['x', ''],
      ])
        expect(matchesPattern(name!, pattern!), `${name} ${pattern}`).equal(false);
    });
  });

  describe('[T-A12] never unpacks', () => {
    const link = { linkname: '/etc/passwd' };
    const corpus: [string, () => Promise<Buffer>][] = [
      ['a symbolic link', () => tarGz([{ name: 'a', type: 'symlink', ...link }])],
      ['a hard link', () => tarGz([{ name: 'a', type: 'link', ...link }])],
      [
        'a file through a link',
        () =>
          tarGz([
            { name: 'd', type: 'symlink', linkname: '/tmp' },
            { name: 'd/x', text: 'x' },
          ]),
      ],
      ['a character device', () => tarGz([{ name: 'a', type: 'character-device', devmajor: 1, devminor: 3 }])],
      ['a block device', () => tarGz([{ name: 'a', type: 'block-device' }])],
      ['a fifo', () => tarGz([{ name: 'a', type: 'fifo' }])],
      ['a setuid file', () => tarGz([{ name: 'a', text: 'x', mode: 0o4755 }])],
      ['an absolute name', () => tarGz([{ name: '/etc/x', text: 'x' }])],
      ['a name that leads outside', () => tarGz([{ name: 'a/../../x', text: 'x' }])],
      ['`..` alone', () => tarGz([{ name: '..', type: 'directory' }])],
      [
        'a name twice',
        () =>
          tarGz([
            { name: 'a', text: '1' },
            { name: 'a', text: '2' },
          ]),
      ],
      [
        'names that differ by case',
        () =>
          tarGz([
            { name: 'a', text: '1' },
            { name: 'A', text: '2' },
          ]),
      ],
      [
        'names that differ by Unicode form',
        () =>
          tarGz([
            { name: '\u00e9', text: '1' },
            { name: 'e\u0301', text: '2' },
          ]),
      ],
      [
        'folders that differ by case',
        () =>
          tarGz([
            { name: 'Dir/a', text: '1' },
            { name: 'dir/b', text: '2' },
          ]),
      ],
      [
        'a file that is a folder too',
        () =>
          tarGz([
            { name: 'a', text: '1' },
            { name: 'a/b', text: '2' },
          ]),
      ],
      ['a backslash', () => tarGz([{ name: 'a\\b', text: 'x' }])],
      ['a control character', () => tarGz([{ name: 'a\u001b[2Jb', text: 'x' }])],
      ['a reserved name', () => tarGz([{ name: 'con', text: 'x' }])],
      ['a trailing dot', () => tarGz([{ name: 'a.', text: 'x' }])],
      ['a name too long', () => tarGz([{ name: 'x'.repeat(230), text: 'x' }])],
      ['folders nested too deep', () => tarGz([{ name: `${'d/'.repeat(40)}x`, text: 'x' }])],
      ['too many entries', () => tarGz(Array.from({ length: 1_001 }, (_, n) => ({ name: `f${n}` })))],
      ['a bomb', async () => gzipSync(await tar([{ name: 'a', text: Buffer.alloc(12 * 1024 * 1024) }]))],
      ['content past the limit', () => tarGz([{ name: 'a', text: randomText(17 * 1024 * 1024) }])],
      ['a truncated archive', async () => (await tarGz([{ name: 'a', text: randomText(50_000) }])).subarray(0, 20_000)],
      [
        'a truncated tar',
        async () => gzipSync((await tar([{ name: 'a', text: 'x'.repeat(5_000) }])).subarray(0, 2_000)),
      ],
      ['a tar without gzip', () => tar([{ name: 'a', text: 'x' }])],
      ['noise', async () => Buffer.from(randomText(10_000))],
      ['a gzip of noise', async () => gzipSync(randomText(10_000))],
    ];
    for (const [what, make] of corpus) {
      it(what, async () => {
        const error = await install(signed(await make())).then(
          () => undefined,
          (thrown: BackhaulError) => thrown,
        );
        expect(error, what).instanceOf(BackhaulError);
        expect(error?.code).equal('BH-E-ARCHIVE');
        expect(await releases()).deep.equal([]);
        expect(await stat(join(software, 'demo-tool', 'current')).catch(() => 'none')).equal('none');
      }).timeout(30_000);
    }

    it('an archive of an ordinary tar program is fine', async () => {
      const entries: TestEntry[] = [
        { name: './', type: 'directory' },
        { name: './lib/', type: 'directory' },
        { name: './lib/é.txt', text: 'é' },
        { name: 'x'.repeat(150), text: 'long' },
      ];
      await install(signed(await tarGz(entries)));
      expect(await readdir(join(software, 'demo-tool', 'current'))).members(['lib', 'x'.repeat(150)]);
    });
  });

  describe('[T-A13] installs the bytes that were signed', () => {
    it('refuses another file, a longer one, a link in its place', async () => {
      const artifact = signed(await tarGz([{ name: 'a', text: 'good' }]));
      const path = join(folder.path, 'artifact');
      const attempt = (bytes: Buffer) =>
        install({ ...artifact, bytes }, path).then(
          () => 'installed',
          (error: BackhaulError) => error.code,
        );
      const swapped = Buffer.from(artifact.bytes);
      swapped[swapped.length - 1]! ^= 1;
      expect(await attempt(swapped)).equal('BH-E-BULK-HASH');
      expect(await attempt(Buffer.concat([artifact.bytes, Buffer.of(0)]))).equal('BH-E-BULK-HASH');
      await rm(path);
      await writeFile(join(folder.path, 'real'), artifact.bytes);
      await symlink('real', path);
      expect(
        await installer
          .install(artifact, path, () => {})
          .then(
            () => 'installed',
            (error: BackhaulError) => error.code,
          ),
      ).equal('BH-E-INSTALL');
      expect(await releases()).deep.equal([]);
    });

    it('survives a swapper: nothing but the signed content is ever installed', async () => {
      const good = signed(await tarGz([{ name: 'a', text: `good${randomText(40_000)}` }]));
      const bad = Buffer.from((await tarGz([{ name: 'a', text: `evil${randomText(40_000)}` }])).subarray(0, good.size));
      const evil = Buffer.concat([bad, Buffer.alloc(good.size - bad.length)]);
      const path = join(folder.path, 'artifact');
      let swapping = true;
      const swapper = (async () => {
        for (let n = 0; swapping; n++)
          await writeFile(path, n % 2 === 0 ? evil : good.bytes, { flag: 'r+' }).catch(() => {});
      })();
      const outcomes = new Map<string, number>();
      for (let race = 0; race < 60; race++) {
        await writeFile(path, good.bytes);
        const outcome = await installer
          .install(good, path, () => {})
          .then(
            () => 'installed',
            (error: BackhaulError) => error.code,
          );
        outcomes.set(outcome, (outcomes.get(outcome) ?? 0) + 1);
        if (outcome === 'installed') {
          expect((await readFile(join(software, 'demo-tool', 'current', 'a'), 'utf8')).slice(0, 4)).equal('good');
          await rm(join(software, 'demo-tool'), { recursive: true });
        } else expect(outcome).oneOf(['BH-E-BULK-HASH', 'BH-E-ARCHIVE', 'BH-E-INSTALL']);
      }
      swapping = false;
      await swapper;
      expect([...outcomes.values()].reduce((a, b) => a + b)).equal(60);
      expect(outcomes.size).above(1); // the race was a race
    }).timeout(30_000);
  });

  describe('audit log', () => {
    it('shows a line that was changed or taken out, and goes on after a torn one', async () => {
      const path = join(folder.path, 'audit.jsonl');
      const log = new AuditLog(path, systemClock);
      await log.load();
      for (let n = 0; n < 4; n++) await log.append({ what: 'judged', n2: n });
      const text = await readFile(path, 'utf8');
      const lines = text.split('\n');
      expect(checkAuditChain(text)).deep.equal({ ok: true });
      expect(checkAuditChain(text.replace('"n2":1', '"n2":7'))).deep.equal({ ok: false, line: 3 });
      expect(checkAuditChain(lines.toSpliced(1, 1).join('\n'))).deep.equal({ ok: false, line: 2 });
      await writeFile(path, `${text}{"n":5,"wh`);
      const again = new AuditLog(path, systemClock);
      await again.load();
      await again.append({ what: 'judged' });
      expect(checkAuditChain(await readFile(path, 'utf8'))).deep.equal({ ok: true });
      await writeFile(path, text.replace('"n2":1', '"n2":7'));
      await new AuditLog(path, systemClock).load();
      expect(await readFile(path, 'utf8')).contain('"what":"chain-broken","line":3');
    });
  });

  it('opens no network: nothing in its folder imports a module that could', () => {
    const source = new URL('../src/installer/', import.meta.url);
    for (const file of readdirSync(source)) {
      const imports = [...readFileSync(new URL(file, source), 'utf8').matchAll(/from '([^']+)'/g)].map(
        (match) => match[1],
      );
      expect(imports, file).not.members(['undici']);
      for (const name of imports)
        expect(name, file).not.match(/^(node:(http|https|http2|tls|dns|dgram)|undici|express|@backhaul\/transport)/);
    }
  });
});

/** Text that does not compress. */
function randomText(length: number): string {
  return randomBytes(length).toString('base64').slice(0, length);
}
