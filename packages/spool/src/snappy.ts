/** Undoes Snappy, for the index blocks of LevelDB tables. Throws RangeError on anything malformed. */
export function unsnappy(input: Uint8Array, maxBytes: number): Buffer {
  let at = 0;
  const byte = (): number => {
    if (at >= input.length) throw new RangeError('snappy: ends early');
    return input[at++]!;
  };
  const number = (bytes: number): number =>
    Array.from({ length: bytes }, (_, n) => byte() * 2 ** (8 * n)).reduce((a, b) => a + b, 0);
  let length = 0;
  for (let shift = 0, next = 0x80; next & 0x80; shift += 7) {
    next = byte();
    length += (next & 0x7f) * 2 ** shift;
  }
  if (length > maxBytes) throw new RangeError('snappy: too large');
  const output = Buffer.alloc(length);
  let written = 0;
  const copy = (offset: number, count: number): void => {
    if (offset === 0 || offset > written || written + count > length) throw new RangeError('snappy: bad copy');
    for (let left = count; left > 0; left -= 1, written += 1) output[written] = output[written - offset]!;
  };
  while (at < input.length) {
    const tag = byte();
    if ((tag & 3) === 1) copy(((tag >> 5) << 8) | byte(), 4 + ((tag >> 2) & 7));
    else if ((tag & 3) !== 0) {
      const offset = number((tag & 3) === 2 ? 2 : 4);
      copy(offset, 1 + (tag >> 2));
    } else {
      const count = 1 + (tag >> 2 < 60 ? tag >> 2 : number((tag >> 2) - 59));
      if (at + count > input.length || written + count > length) throw new RangeError('snappy: bad literal');
      output.set(input.subarray(at, at + count), written);
      at += count;
      written += count;
    }
  }
  return output;
}
