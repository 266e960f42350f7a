import { createHash } from 'node:crypto';
import { mkdir, open, readFile, truncate } from 'node:fs/promises';
import { dirname } from 'node:path';
import { type Clock, isoTime, syncDirectory } from '@backhaul/runtime';

export interface AuditRecord {
  readonly what: 'judged' | 'installed' | 'failed' | 'chain-broken';
  readonly [field: string]: string | number | boolean | undefined;
}

const FIRST = '0'.repeat(64);

/**
 * What was judged and installed here, one JSON object a line, each with the hash of the line before it: a line changed or
 * taken out afterwards breaks the chain. Lines are synced before the act they tell of is reported.
 */
export class AuditLog {
  readonly #path: string;
  readonly #clock: Clock;
  #head = FIRST;
  #count = 0;
  #tail: Promise<void> = Promise.resolve();

  constructor(path: string, clock: Clock) {
    this.#path = path;
    this.#clock = clock;
  }

  get head(): string {
    return this.#head;
  }

  /** Takes the chain up again. A line torn by a crash is cut off; a broken chain is recorded and goes on from its last line. */
  async load(): Promise<void> {
    await mkdir(dirname(this.#path), { recursive: true });
    const text = await readFile(this.#path, 'utf8').catch(() => '');
    const whole = text.slice(0, text.lastIndexOf('\n') + 1);
    if (whole.length < text.length) await truncate(this.#path, Buffer.byteLength(whole));
    const lines = whole.split('\n').slice(0, -1);
    const check = checkAuditChain(whole);
    this.#count = lines.length;
    this.#head = lines.length === 0 ? FIRST : hashOf(lines.at(-1) ?? '');
    if (!check.ok) await this.append({ what: 'chain-broken', line: check.line });
  }

  /** Resolves when the line is on disk. Lines are written one after the other. */
  append(record: AuditRecord): Promise<void> {
    const next = this.#tail.then(() => this.#write(record));
    this.#tail = next.catch(() => {});
    return next;
  }

  async #write(record: AuditRecord): Promise<void> {
    const line = JSON.stringify({
      n: this.#count + 1,
      at: isoTime(this.#clock.now()),
      ...record,
      previous: this.#head,
    });
    const file = await open(this.#path, 'a', 0o600);
    try {
      await file.writeFile(`${line}\n`);
      await file.sync();
    } finally {
      await file.close();
    }
    if (this.#count === 0) await syncDirectory(dirname(this.#path));
    this.#count++;
    this.#head = hashOf(line);
  }
}

/** Is every line's `previous` the hash of the line before it? `line` counts from 1. */
export function checkAuditChain(text: string): { ok: true } | { ok: false; line: number } {
  let previous = FIRST;
  for (const [index, line] of text.split('\n').slice(0, -1).entries()) {
    if (previousOf(line) !== previous) return { ok: false, line: index + 1 };
    previous = hashOf(line);
  }
  return { ok: true };
}

function previousOf(line: string): unknown {
  try {
    return (JSON.parse(line) as { previous?: unknown }).previous;
  } catch {
    return undefined;
  }
}

function hashOf(line: string): string {
  return createHash('sha256').update(line).digest('hex');
}
