import { mkdir, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { Random } from '@backhaul/runtime';
import type { LoggedOp } from '../shim/shim-log.ts';

const SECTOR = 512;

interface Write {
  /** undefined: the file was cut to `offset` */
  readonly data: Buffer | undefined;
  readonly offset: number;
  /** a sync of it failed: the kernel forgot it, and a later sync that succeeds says nothing about it */
  isDoomed: boolean;
}

class File {
  readonly synced: Write[] = [];
  readonly unsynced: Write[] = [];

  sync(hasFailed: boolean): void {
    if (hasFailed) for (const write of this.unsynced) write.isDoomed = true;
    else this.synced.push(...this.unsynced.splice(0));
  }
}

/** A change of names. `file` undefined for a folder. */
interface Naming {
  readonly folder: string;
  readonly kind: 'make' | 'rename' | 'remove';
  readonly path: string;
  readonly to: string;
  readonly file: File | undefined;
}

/** What became of what was not synced when the power went. */
export type Fate = 'dropped' | 'kept' | 'names kept' | 'bytes kept' | 'mixed';
export const FATES: readonly Fate[] = ['dropped', 'kept', 'names kept', 'bytes kept', 'mixed'];

/**
 * A disk as POSIX promises it and no better. Bytes of a file are safe after a sync of that file, names after a sync of their
 * folder; of the bytes after that any first part may be there, torn at a sector, or a length without bytes; of the names any
 * first part. Order holds within one file and within one folder, not between them.
 */
export class DiskModel {
  readonly #root: string;
  readonly #files = new Map<string, File>();
  readonly #namings: Naming[] = [];
  #unsafe: Naming[] = [];

  constructor(root: string) {
    this.#root = root;
  }

  /** `data` of the operation is kept, not copied. */
  apply(op: LoggedOp): void {
    const { kind, path, to } = op;
    const file = this.#files.get(path);
    if (kind === 'open') this.#make(path);
    else if (kind === 'write') file?.unsynced.push({ data: op.data, offset: op.offset, isDoomed: false });
    else if (kind === 'truncate') file?.unsynced.push({ data: undefined, offset: op.offset, isDoomed: false });
    else if (kind === 'sync') this.#sync(path, file, op.notSynced);
    else if (kind === 'mkdir') this.#name({ kind: 'make', path, to: '', file: undefined });
    else if (kind === 'unlink') this.#remove(path, file);
    else if (kind === 'rename') this.#rename(path, to, file);
  }

  /** Writes a state into a folder in which the disk may be found; all that is random comes from the dice. */
  async leave(folder: string, fate: Fate, dice: Random): Promise<void> {
    const names = this.#namesLeft(fate, dice);
    await mkdir(folder, { recursive: true });
    for (const [path, file] of names) {
      const place = join(folder, path.slice(this.#root.length));
      if (file === undefined) await mkdir(place, { recursive: true });
      else if (names.has(dirname(path)) || dirname(path) === this.#root) {
        await mkdir(dirname(place), { recursive: true });
        await writeFile(place, bytesLeft(file, fate, dice));
      }
    }
  }

  #make(path: string): void {
    const known = this.#files.get(path);
    if (known !== undefined) return void known.unsynced.push({ data: undefined, offset: 0, isDoomed: false });
    const file = new File();
    this.#files.set(path, file);
    this.#name({ kind: 'make', path, to: '', file });
  }

  #sync(path: string, file: File | undefined, hasFailed: boolean): void {
    file?.sync(hasFailed);
    if (file !== undefined || hasFailed) return;
    this.#namings.push(...this.#unsafe.filter(({ folder }) => folder === path));
    this.#unsafe = this.#unsafe.filter(({ folder }) => folder !== path);
  }

  #remove(path: string, file: File | undefined): void {
    this.#files.delete(path);
    this.#name({ kind: 'remove', path, to: '', file });
  }

  #rename(path: string, to: string, file: File | undefined): void {
    this.#files.delete(path);
    if (file !== undefined) this.#files.set(to, file);
    for (const [inside, other] of [...this.#files]) {
      if (!inside.startsWith(`${path}/`)) continue;
      this.#files.delete(inside);
      this.#files.set(to + inside.slice(path.length), other);
    }
    this.#name({ kind: 'rename', path, to, file });
  }

  #name(naming: Omit<Naming, 'folder'>): void {
    this.#unsafe.push({ ...naming, folder: dirname(naming.path) });
  }

  #namesLeft(fate: Fate, dice: Random): Map<string, File | undefined> {
    const names = new Map<string, File | undefined>();
    for (const naming of this.#namings) rename(names, naming);
    const left = new Map<string, number>();
    for (const { folder } of this.#unsafe) left.set(folder, (left.get(folder) ?? 0) + 1);
    for (const [folder, count] of left) left.set(folder, namesOf(fate, count, dice));
    for (const naming of this.#unsafe) {
      const rest = left.get(naming.folder)!;
      left.set(naming.folder, rest - 1);
      if (rest > 0) rename(names, naming);
    }
    return names;
  }
}

function namesOf(fate: Fate, count: number, dice: Random): number {
  if (fate === 'mixed') return Math.floor(dice.fraction() * (count + 1));
  return fate === 'kept' || fate === 'names kept' ? count : 0;
}

function rename(names: Map<string, File | undefined>, { kind, path, to, file }: Naming): void {
  if (kind === 'make') return void names.set(path, file);
  const moved = [...names].filter(([name]) => name === path || name.startsWith(`${path}/`));
  for (const [name] of moved) names.delete(name);
  if (kind === 'rename') for (const [name, held] of moved) names.set(to + name.slice(path.length), held);
}

function bytesLeft(file: File, fate: Fate, dice: Random): Buffer {
  const drops = (write: Write): boolean => write.isDoomed && fate !== 'kept' && fate !== 'bytes kept';
  let bytes: Buffer = Buffer.alloc(0);
  for (const write of file.synced) bytes = drops(write) ? hole(bytes, write) : put(bytes, write);
  if (fate === 'dropped' || fate === 'names kept') return bytes;
  if (fate !== 'mixed') return file.unsynced.reduce(put, bytes);
  if (dice.fraction() < 0.15) return file.unsynced.reduce(hole, bytes); // the length arrived, the bytes did not
  const whole = Math.floor(dice.fraction() * (file.unsynced.length + 1));
  bytes = file.unsynced.slice(0, whole).reduce(put, bytes);
  const next = file.unsynced[whole];
  return next?.data === undefined || dice.fraction() < 0.5 ? bytes : put(bytes, torn(next, next.data, dice));
}

function put(bytes: Buffer, { data, offset }: Write): Buffer {
  if (data === undefined) return bytes.subarray(0, offset);
  const next = Buffer.alloc(Math.max(bytes.length, offset + data.length));
  bytes.copy(next);
  data.copy(next, offset);
  return next;
}

function hole(bytes: Buffer, { data, offset }: Write): Buffer {
  if (data === undefined) return bytes.subarray(0, offset);
  const next = Buffer.alloc(Math.max(bytes.length, offset + data.length));
  bytes.copy(next);
  return next;
}

/** Cut where a sector of the disk ends. */
function torn({ offset }: Write, data: Buffer, dice: Random): Write {
  const end = Math.floor((offset + dice.fraction() * data.length) / SECTOR) * SECTOR;
  return { data: data.subarray(0, Math.max(0, end - offset)), offset, isDoomed: false };
}
