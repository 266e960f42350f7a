import { BackhaulError } from '@backhaul/runtime';

/**
 * A strict reader of DER, as much of it as certificates and requests need: single-byte tags, definite minimal lengths,
 * nothing after the end. What is not DER is refused, never guessed at [T-A14].
 */
export interface DerNode {
  /** The identifier byte: 0x30 SEQUENCE, 0x31 SET, 0x06 OBJECT IDENTIFIER, 0xa0 [0] constructed … */
  readonly tag: number;
  readonly content: Buffer;
  /** Tag, length and content. */
  readonly whole: Buffer;
}

export const TAG = {
  boolean: 0x01,
  integer: 0x02,
  bitString: 0x03,
  octetString: 0x04,
  oid: 0x06,
  sequence: 0x30,
  set: 0x31,
};
const MAX_DEPTH_NODES = 1024;

export function readDer(bytes: Buffer): DerNode {
  const node = readAt(bytes, 0);
  if (node.whole.length !== bytes.length) throw malformed('bytes after the end');
  return node;
}

/** The elements of a constructed node. */
export function children(node: DerNode): DerNode[] {
  if ((node.tag & 0x20) === 0) throw malformed('not a constructed element');
  const found: DerNode[] = [];
  for (let at = 0; at < node.content.length; ) {
    const child = readAt(node.content, at);
    found.push(child);
    at += child.whole.length;
    if (found.length > MAX_DEPTH_NODES) throw malformed('too many elements');
  }
  return found;
}

/** The node itself when it has this tag. */
export function expectTag(node: DerNode | undefined, tag: number): DerNode {
  if (node?.tag !== tag) throw malformed(`expected tag 0x${tag.toString(16)}`);
  return node;
}

/** `2.5.29.17` */
export function oidText(node: DerNode): string {
  const { content } = expectTag(node, TAG.oid);
  if (content.length === 0 || content.at(-1)! >= 0x80) throw malformed('object identifier');
  const arcs: number[] = [];
  let value = 0;
  for (const byte of content) {
    if (value > 2 ** 40) throw malformed('object identifier');
    value = value * 128 + (byte & 0x7f);
    if (byte < 0x80) {
      arcs.push(value);
      value = 0;
    }
  }
  const first = arcs[0]!;
  const root = Math.min(2, Math.floor(first / 40));
  return [root, first - root * 40, ...arcs.slice(1)].join('.');
}

function readAt(bytes: Buffer, at: number): DerNode {
  const tag = bytes[at];
  const short = bytes[at + 1];
  if (tag === undefined || short === undefined || (tag & 0x1f) === 0x1f) throw malformed('tag');
  const size = short < 0x80 ? 0 : short & 0x7f;
  if (short === 0x80 || size > 3 || at + 2 + size > bytes.length) throw malformed('length');
  const length = size === 0 ? short : bytes.readUIntBE(at + 2, size);
  if (size > 0 && (length < 0x80 || length < 256 ** (size - 1))) throw malformed('length is not minimal');
  const start = at + 2 + size;
  if (start + length > bytes.length) throw malformed('truncated');
  return { tag, content: bytes.subarray(start, start + length), whole: bytes.subarray(at, start + length) };
}

function malformed(what: string): BackhaulError {
  return new BackhaulError('BH-E-ID-NAME', { detail: `malformed DER: ${what}` });
}
