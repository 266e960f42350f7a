import { createHash, randomUUID } from 'node:crypto';
import { createWriteStream } from 'node:fs';
import { mkdir, open, rename, rm, stat } from 'node:fs/promises';
import type { IncomingMessage } from 'node:http';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { type ArtifactManifest, artifactManifest, PROVIDER, releaseKeyName, verifyManifest } from '@backhaul/identity';
import { BackhaulError, type Clock, freeDiskBytes, type Logger, syncDirectory } from '@backhaul/runtime';
import type { ArtifactFile } from '@backhaul/transport';
import type { ComponentTree } from '../directory/component-tree.ts';
import type { Database } from '../store/database.ts';
import type { ArtifactRow } from '../store/schema.ts';
import { type ReceivedForm, readForm } from './upload-form.ts';

/** Left free on the disk whatever is uploaded. */
const RESERVED_DISK_BYTES = 256 * 1024 * 1024;

export interface ArtifactStoreOptions {
  readonly database: Database;
  readonly tree: () => ComponentTree;
  /** `<dataDirectory>/artifacts` */
  readonly folder: string;
  readonly maxBytes: number;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** Files to be sent down, each under its SHA-256. Says who may fetch which, and counts what was fetched. */
export class ArtifactStore {
  readonly name = 'artifacts';
  readonly #options: ArtifactStoreOptions;
  #counting: Promise<unknown> = Promise.resolve();

  constructor(options: ArtifactStoreOptions) {
    this.#options = options;
  }

  /** What an upload cut short left behind is removed. */
  async start(): Promise<void> {
    await rm(this.#incoming, { recursive: true, force: true });
    await mkdir(this.#incoming, { recursive: true, mode: 0o700 });
  }

  async stop(): Promise<void> {
    await this.#counting;
  }

  /**
   * Takes a multipart form (file, manifest, signature, publicKey) and publishes it: nothing is seen before the row is
   * committed, last. The same bytes may be published again under another manifest or key; pushes made before keep the one
   * they were made with.
   * @throws BH-E-BULK-HASH, BH-E-SIGNATURE, BH-E-SCHEMA, BH-E-LIMIT-REQUEST, BH-E-BULK-SPACE
   */
  async publish(incoming: IncomingMessage): Promise<ArtifactRow> {
    await this.#checkSpace(incoming);
    const temporary = join(this.#incoming, randomUUID());
    try {
      const hash = createHash('sha256');
      const form = await readForm(incoming, this.#options.maxBytes, (file) => {
        file.on('data', (chunk: Buffer) => hash.update(chunk));
        return pipeline(file, createWriteStream(temporary, { flags: 'wx', mode: 0o600 }));
      });
      const manifest = checkManifest(form);
      await checkBytes(temporary, hash.digest('hex'), manifest);
      await this.#keep(temporary, manifest.sha256);
      return await this.#record(form, manifest);
    } finally {
      await rm(temporary, { force: true });
    }
  }

  /** The file, for a peer below which somebody is meant to have it now. @throws BH-E-BULK-GONE, also for what others may have [T-A36] */
  async forPeer(peer: string, sha256: string): Promise<ArtifactFile> {
    const { database, clock } = this.#options;
    const members = await database.read<{ component: string }>(
      `SELECT m."component" FROM "pushes" p JOIN "pushMembers" m ON m."push" = p."id" WHERE p."artifact" = ? AND p."expiresAt" > ?`,
      [sha256, clock.now()],
    );
    const tree = this.#options.tree();
    if (!members.some(({ component }) => tree.isBelow(component, peer))) throw new BackhaulError('BH-E-BULK-GONE');
    const path = this.#path(sha256);
    const found = await stat(path).catch((cause) => {
      throw new BackhaulError('BH-E-BULK-GONE', { cause });
    });
    return { path, size: found.size, sha256 };
  }

  /** One row for each fetch, in however many pieces it comes. Counted behind the answer; a count lost in a crash is only a count. */
  served(peer: string, sha256: string, bytes: number, complete: boolean): void {
    const { database, tree, clock, logger } = this.#options;
    const component = tree().get(peer);
    const scope = {
      customer: component?.customer ?? PROVIDER,
      site: component?.site ?? null,
      instance: null,
      class: 'software',
    };
    const row = { sha256, peer, bytes, complete: complete ? 1 : 0, at: clock.now(), ...scope };
    const write = database.transaction(async ({ db }) => {
      const of = db.selectFrom('artifactFetches').select(['number', 'bytes', 'complete']);
      const last = await of
        .where('sha256', '=', sha256)
        .where('peer', '=', peer)
        .orderBy('number', 'desc')
        .limit(1)
        .executeTakeFirst();
      if (last?.complete !== 0) return db.insertInto('artifactFetches').values(row).execute();
      const more = { bytes: last.bytes + bytes, complete: row.complete, at: row.at };
      return db.updateTable('artifactFetches').set(more).where('number', '=', last.number).execute();
    });
    const counted = write.catch((error) => logger.warn({ error, peer, sha256 }, 'a fetch could not be counted'));
    this.#counting = Promise.all([this.#counting, counted]);
  }

  get #incoming(): string {
    return join(this.#options.folder, 'incoming');
  }

  #path(sha256: string): string {
    return join(this.#options.folder, sha256); // [T-A11] 64 hex digits, nothing a sender chose
  }

  async #checkSpace(incoming: IncomingMessage): Promise<void> {
    const announced = Number(incoming.headers['content-length'] ?? 0);
    const free = await freeDiskBytes(this.#options.folder);
    if (free - announced < RESERVED_DISK_BYTES)
      throw new BackhaulError('BH-E-BULK-SPACE', { detail: `${free} bytes free, ${announced} announced` });
  }

  async #keep(temporary: string, sha256: string): Promise<void> {
    const file = await open(temporary, 'r');
    await file.sync().finally(() => file.close());
    await rename(temporary, this.#path(sha256));
    await syncDirectory(this.#options.folder);
  }

  async #record(
    { manifest, signature, publicKey }: ReceivedForm,
    { name, version, sha256, size }: ArtifactManifest,
  ): Promise<ArtifactRow> {
    const scope = { customer: PROVIDER, site: null, instance: null, class: 'software' };
    const published = {
      name,
      version,
      manifest,
      signature,
      publicKey: releaseKeyName(publicKey),
      publishedAt: this.#options.clock.now(),
    };
    const row = { sha256, size, ...published, ...scope };
    await this.#options.database.transaction((tx) =>
      tx.db
        .insertInto('artifacts')
        .values(row)
        .onConflict((conflict) => conflict.column('sha256').doUpdateSet(published))
        .execute(),
    );
    return row;
  }
}

/** The signature is by the key given, over the manifest exactly as sent. Whether that key is trusted, each site says for itself. */
function checkManifest({ manifest, signature, publicKey }: ReceivedForm): ArtifactManifest {
  if (!verifyManifest(publicKey, Buffer.from(manifest, 'utf8'), signature)) throw new BackhaulError('BH-E-SIGNATURE');
  const parsed = artifactManifest.safeParse(parseJson(manifest));
  if (parsed.success) return parsed.data;
  const [issue] = parsed.error.issues;
  throw new BackhaulError('BH-E-SCHEMA', { detail: `manifest: ${issue?.path.join('.')}: ${issue?.message}` });
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new BackhaulError('BH-E-JSON', { detail: 'manifest', cause });
  }
}

async function checkBytes(path: string, sha256: string, manifest: ArtifactManifest): Promise<void> {
  const { size } = await stat(path);
  if (sha256 !== manifest.sha256) throw new BackhaulError('BH-E-BULK-HASH', { detail: `the file is ${sha256}` });
  if (size !== manifest.size) throw new BackhaulError('BH-E-BULK-HASH', { detail: `the file has ${size} bytes` });
}
