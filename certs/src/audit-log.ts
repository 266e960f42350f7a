import { open } from 'node:fs/promises';
import { join } from 'node:path';
import { type Clock, isoTime } from '@backhaul/runtime';
import { CA_FILES } from './ca-folder.ts';

export type AuditRecord =
  | { event: 'token-issued'; token: string; id: string; names: readonly string[]; expiresAt: string; askedBy: string }
  | {
      event: 'certificate-issued';
      token: string | null;
      id: string;
      names: readonly string[];
      notAfter: string;
      spkiSha256: string;
      from: string;
    };

/** What the authority has given out: one JSON object a line, only ever appended to, synced before the answer goes out. */
export class AuditLog {
  readonly #path: string;
  readonly #clock: Clock;

  constructor(caDirectory: string, clock: Clock) {
    this.#path = join(caDirectory, CA_FILES.audit);
    this.#clock = clock;
  }

  async append(record: AuditRecord): Promise<void> {
    const file = await open(this.#path, 'a', 0o600);
    try {
      await file.appendFile(`${JSON.stringify({ time: isoTime(this.#clock.now()), ...record })}\n`);
      await file.sync();
    } finally {
      await file.close();
    }
  }
}
