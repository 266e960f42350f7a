import { createHmac } from 'node:crypto';
import { link, mkdir, readdir, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import {
  BackhaulError,
  base32,
  type Clock,
  type Random,
  readJson,
  syncDirectory,
  writeFileAtomic,
} from '@backhaul/runtime';
import { z } from 'zod';
import { CA_FILES } from './ca-folder.ts';
import { DAY_MS } from './certificate-profile.ts';
import { type EnrolmentGrant, enrolmentGrant, type TokenRequest } from './enrolment-grant.ts';

/** Tokens and their traces are forgotten this long after they ended. */
const KEPT_AFTER_END_MS = 7 * DAY_MS;
const MAX_TOKENS = 20_000;
const TOKEN_ID = /^[0-9a-hjkmnp-tv-z]{16}$/;

const claim = z.strictObject({ spkiSha256: z.string(), claimedAt: z.number() });

/**
 * One-time enrolment tokens, as files of the CA folder, so that a local command and a running server share them.
 *
 * States of a token: granted (`<id>.json`) → claimed by one key (`<id>.claim`) → certified (`<id>.pem`).
 * The claim is made by linking a finished file under its name: of any number of processes exactly one succeeds, and it
 * is there as a whole or not at all. A claimed token serves nothing but the key that claimed it: asking again with that
 * key gives the same certificate, so a lost answer costs nothing. The secret is derived from the token key, never stored.
 */
export class TokenStore {
  readonly #directory: string;
  readonly #tokenKey: Buffer;
  readonly #clock: Clock;
  readonly #random: Random;

  constructor(o: { caDirectory: string; tokenKey: Buffer; clock: Clock; random: Random }) {
    this.#directory = join(o.caDirectory, CA_FILES.tokens);
    this.#tokenKey = o.tokenKey;
    this.#clock = o.clock;
    this.#random = o.random;
  }

  /** `<id>.<secret>`; this is the only time the secret is said. */
  async grant(request: TokenRequest, askedBy: string): Promise<{ token: string; grant: EnrolmentGrant }> {
    await mkdir(this.#directory, { recursive: true, mode: 0o700 });
    if ((await readdir(this.#directory)).length >= MAX_TOKENS)
      throw new BackhaulError('BH-E-BUSY', { detail: 'too many tokens are open' });
    const id = base32(this.#random.bytes(10));
    const createdAt = this.#clock.now();
    const { identity, names, ttlMs } = request;
    const grant = { id, identity, names, createdAt, expiresAt: createdAt + ttlMs, askedBy };
    await writeFileAtomic(this.#file(id, 'json'), `${JSON.stringify(grant)}\n`, 0o600);
    return { token: `${id}.${this.secretOf(id)}`, grant };
  }

  /** What a token allows. Throws BH-E-ENROL-TOKEN when it is unknown or past its time. */
  async find(id: string): Promise<EnrolmentGrant> {
    if (!TOKEN_ID.test(id)) throw new BackhaulError('BH-E-ENROL-TOKEN');
    const grant = await readJson(this.#file(id, 'json'), enrolmentGrant).catch((error) => {
      if (error instanceof BackhaulError && error.code === 'BH-E-NOT-FOUND')
        throw new BackhaulError('BH-E-ENROL-TOKEN');
      throw error;
    });
    if (this.#clock.now() >= grant.expiresAt) throw new BackhaulError('BH-E-ENROL-TOKEN');
    return grant;
  }

  secretOf(id: string): string {
    return base32(createHmac('sha256', this.#tokenKey).update(id).digest());
  }

  /** Binds the token to one key, for good. Throws BH-E-ENROL-TOKEN when another key has it. */
  async claim(id: string, spkiSha256: string): Promise<void> {
    const draft = this.#file(id, `draft-${base32(this.#random.bytes(5))}`);
    await writeFileAtomic(draft, JSON.stringify({ spkiSha256, claimedAt: this.#clock.now() }), 0o600);
    try {
      await link(draft, this.#file(id, 'claim')); // the one step that only one can make
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
    } finally {
      await rm(draft, { force: true });
    }
    await syncDirectory(this.#directory);
    const holder = await readJson(this.#file(id, 'claim'), claim);
    if (holder.spkiSha256 !== spkiSha256) throw new BackhaulError('BH-E-ENROL-TOKEN');
  }

  /** The chain that a claimed token has led to, if it has. */
  certificate(id: string): Promise<string | undefined> {
    return readFile(this.#file(id, 'pem'), 'utf8').catch((error) => {
      if (error.code === 'ENOENT') return undefined;
      throw error;
    });
  }

  storeCertificate(id: string, chain: string): Promise<void> {
    return writeFileAtomic(this.#file(id, 'pem'), chain, 0o644);
  }

  /** Removes what ended long ago. */
  async prune(): Promise<number> {
    let pruned = 0;
    for (const name of await this.#grantNames()) {
      const id = name.slice(0, -'.json'.length);
      const grant = await readJson(join(this.#directory, name), enrolmentGrant).catch(() => undefined);
      if (grant === undefined || this.#clock.now() < grant.expiresAt + KEPT_AFTER_END_MS) continue;
      for (const kind of ['pem', 'claim', 'json']) await rm(this.#file(id, kind), { force: true });
      pruned++;
    }
    return pruned;
  }

  /** Tokens that may still be used. */
  async open(): Promise<EnrolmentGrant[]> {
    const grants: EnrolmentGrant[] = [];
    for (const name of await this.#grantNames()) {
      const grant = await readJson(join(this.#directory, name), enrolmentGrant).catch(() => undefined);
      if (grant !== undefined && grant.expiresAt > this.#clock.now()) grants.push(grant);
    }
    return grants;
  }

  async #grantNames(): Promise<string[]> {
    const names = await readdir(this.#directory).catch(() => [] as string[]);
    return names.filter((name) => name.endsWith('.json') && TOKEN_ID.test(name.slice(0, -'.json'.length)));
  }

  #file(id: string, kind: string): string {
    return join(this.#directory, `${id}.${kind}`);
  }
}
