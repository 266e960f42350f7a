import { BackhaulError } from '@backhaul/runtime';
import type { Header } from 'tar-stream';

const SEGMENT_BYTES = 200;
const PATH_BYTES = 1024;
const DEPTH = 32;
const SETUID_OR_SETGID = 0o6000;
const RESERVED = /^(con|prn|aux|nul|com\d|lpt\d)(\..*)?$/i;
/** control characters, backslash, colon, what was not UTF-8, and marks that change the reading direction */
const FORBIDDEN = /[\u0000-\u001f\u007f-\u009f\\:\ufffd\u200e\u200f\u202a-\u202e\u2066-\u2069]/;

export type EntryPlan = {
  readonly kind: 'file' | 'directory';
  readonly segments: readonly string[];
  readonly mode: number;
};

/**
 * Decides of one archive entry after the other whether it may be unpacked, and where [T-A12]. Only regular files and
 * folders; no links of any kind, no devices, nothing absolute or with `..`, no name twice, also not in another case or
 * Unicode form.
 */
export class ArchiveNames {
  readonly #taken = new Map<string, { exact: string; kind: 'file' | 'directory' }>();

  /** Undefined for the archive's own root folder (`./`). Throws BH-E-ARCHIVE. */
  plan(header: Header): EntryPlan | undefined {
    const kind = kindOf(header);
    const segments = segmentsOf(header.name);
    if (segments.length === 0) {
      if (kind === 'directory') return undefined;
      throw objection(header.name, 'has no name');
    }
    this.#takeParents(segments);
    this.#take(segments, kind);
    return { kind, segments, mode: modeOf(header, kind) };
  }

  #takeParents(segments: readonly string[]): void {
    for (let length = 1; length < segments.length; length++) {
      const path = segments.slice(0, length);
      const before = this.#taken.get(keyOf(path));
      if (before === undefined) this.#taken.set(keyOf(path), { exact: path.join('/'), kind: 'directory' });
      else if (before.kind === 'file' || before.exact !== path.join('/'))
        throw objection(segments.join('/'), 'meets another name');
    }
  }

  #take(segments: readonly string[], kind: 'file' | 'directory'): void {
    const exact = segments.join('/');
    const before = this.#taken.get(keyOf(segments));
    const sameFolder = before?.kind === 'directory' && kind === 'directory' && before.exact === exact;
    if (before !== undefined && !sameFolder) throw objection(exact, 'stands there twice');
    this.#taken.set(keyOf(segments), { exact, kind });
  }
}

function kindOf({ type, name }: Header): 'file' | 'directory' {
  if (type === 'file' || type === 'directory') return type;
  throw objection(name, `is a ${String(type ?? 'thing of unknown type')}`);
}

function modeOf({ mode, name }: Header, kind: 'file' | 'directory'): number {
  if (mode & SETUID_OR_SETGID) throw objection(name, 'is setuid or setgid');
  return kind === 'directory' || mode & 0o111 ? 0o755 : 0o644;
}

function segmentsOf(name: string): string[] {
  if (name.startsWith('/')) throw objection(name, 'is absolute');
  if (Buffer.byteLength(name) > PATH_BYTES) throw objection(name, 'is too long');
  const segments = name.split('/').filter((segment) => segment !== '' && segment !== '.');
  if (segments.length > DEPTH) throw objection(name, 'is nested too deep');
  for (const segment of segments) checkSegment(name, segment);
  return segments;
}

function checkSegment(name: string, segment: string): void {
  if (segment === '..') throw objection(name, 'leads outside');
  if (FORBIDDEN.test(segment) || /[. ]$/.test(segment) || RESERVED.test(segment))
    throw objection(name, 'has a name that is not allowed');
  if (Buffer.byteLength(segment) > SEGMENT_BYTES) throw objection(name, 'is too long');
}

/** What a file system that folds case or Unicode forms would take for the same. */
function keyOf(segments: readonly string[]): string {
  return segments.join('/').normalize('NFKC').toLowerCase();
}

export function objection(name: string, what: string): BackhaulError {
  return new BackhaulError('BH-E-ARCHIVE', { detail: `${JSON.stringify(name.slice(0, 120))} ${what}` });
}
