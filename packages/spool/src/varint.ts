/** LevelDB's and Snappy's: seven bits a byte, low ones first. Throws RangeError past the end. */
export function readVarint(bytes: Buffer, at: number): [value: number, after: number] {
  let value = 0;
  for (let shift = 0; shift < 63; shift += 7) {
    const byte = bytes.readUInt8(at++); // RangeError past the end
    value += (byte & 0x7f) * 2 ** shift;
    if (byte < 0x80) return [value, at];
  }
  throw new RangeError('varint too long');
}
