import { createHash } from 'node:crypto';
import { gzipSync } from 'node:zlib';

export const DEMO_PACKAGE = 'demo-agent';

export interface DemoPackage {
  readonly version: string;
  readonly bytes: Buffer;
  readonly sha256: string;
}

/** Big enough to see that it is fetched once and handed out three times. */
const PAYLOAD_BYTES = 512 * 1024;
const BLOCK = 512;

/** A real small package: a version file, a script and a payload that does not compress, as `tar.gz`. */
export function buildDemoPackage(version: string): DemoPackage {
  const script =
    '#!/bin/sh\n# what an agent of the demo would do\necho "demo-agent $(cat "$(dirname "$0")/../VERSION")"\n';
  const tar = Buffer.concat([
    tarFile('VERSION', Buffer.from(`${version}\n`), 0o644),
    tarFile('bin/demo-agent', Buffer.from(script), 0o755),
    tarFile('share/payload.bin', payload(version), 0o644),
    Buffer.alloc(2 * BLOCK),
  ]);
  const bytes = gzipSync(tar);
  return { version, bytes, sha256: createHash('sha256').update(bytes).digest('hex') };
}

/** The same bytes for the same version. */
function payload(version: string): Buffer {
  const blocks: Buffer[] = [];
  for (let made = 0; made < PAYLOAD_BYTES; made += 64)
    blocks.push(createHash('sha512').update(`${version}/${made}`).digest());
  return Buffer.concat(blocks);
}

/** One regular file in the ustar format (POSIX.1-1988): a header block, the bytes, filled up to whole blocks. */
function tarFile(name: string, bytes: Buffer, mode: number): Buffer {
  const header = Buffer.alloc(BLOCK);
  header.write(name, 0, 100, 'utf8');
  header.write(
    `${octal(mode, 7)}\0${octal(0, 7)}\0${octal(0, 7)}\0${octal(bytes.length, 11)}\0${octal(0, 11)}\0`,
    100,
    'ascii',
  );
  header.write('        0', 148, 'ascii');
  header.write('ustar\x0000', 257, 'ascii');
  const sum = header.reduce((total, byte) => total + byte, 0);
  header.write(`${octal(sum, 6)}\0 `, 148, 'ascii');
  return Buffer.concat([header, bytes, Buffer.alloc((BLOCK - (bytes.length % BLOCK)) % BLOCK)]);
}

function octal(value: number, digits: number): string {
  return value.toString(8).padStart(digits, '0');
}
