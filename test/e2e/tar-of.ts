const BLOCK = 512;

/** A small ustar archive of regular files. */
export function tarOf(files: Readonly<Record<string, string>>): Buffer {
  return Buffer.concat([
    ...Object.entries(files).map(([name, text]) => fileOf(name, Buffer.from(text))),
    Buffer.alloc(2 * BLOCK),
  ]);
}

function fileOf(name: string, bytes: Buffer): Buffer {
  const header = Buffer.alloc(BLOCK);
  const octal = (value: number, digits: number) => value.toString(8).padStart(digits, '0');
  header.write(name, 0, 100, 'utf8');
  header.write(
    `${octal(0o755, 7)}\0${octal(0, 7)}\0${octal(0, 7)}\0${octal(bytes.length, 11)}\0${octal(0, 11)}\0        0`,
    100,
    'ascii',
  );
  header.write('ustar\x0000', 257, 'ascii');
  header.write(
    `${octal(
      header.reduce((sum, byte) => sum + byte, 0),
      6,
    )}\0 `,
    148,
    'ascii',
  );
  return Buffer.concat([header, bytes, Buffer.alloc((BLOCK - (bytes.length % BLOCK)) % BLOCK)]);
}
