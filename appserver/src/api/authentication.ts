import { createHash, scrypt, timingSafeEqual } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import { promisify } from 'node:util';
import { BackhaulError, type Random, writeFileAtomic } from '@backhaul/runtime';
import { RateLimiterMemory, type RateLimiterRes } from 'rate-limiter-flexible';
import type { Database } from '../store/database.ts';
import type { Facts } from '../store/facts.ts';
import { EVERYTHING, type Scope } from '../store/scope.ts';

const derive = promisify<string, Buffer, number, { N: number; r: number; p: number; maxmem: number }, Buffer>(scrypt);
/** 16 MiB and some 50 ms a try. */
const SCRYPT = { N: 16_384, r: 8, p: 1, maxmem: 64 * 1024 * 1024 };
const HASH_BYTES = 32;
const SECRET_BYTES = 24;
const SECRET_MAX_LENGTH = 256;

/** Wrong secrets from one address before it has to wait. */
const FAILURES = { points: 10, duration: 60 };
const FACT = 'adminSecretHash';

/**
 * Who asks. One admin secret now, made at the first start and kept here only as a hash; people, roles and grants come
 * through the same interface later [DESIGN §7].
 */
export interface Authentication {
  /** What the asker may see. @throws BH-E-AUTH, BH-E-RATE */
  scopeOf(request: IncomingMessage): Promise<Scope>;
  /** Whether this is the secret. @throws BH-E-RATE */
  verify(secret: string, address: string): Promise<boolean>;
}

export interface AdminSecretOptions {
  readonly database: Database;
  readonly facts: Facts;
  readonly random: Random;
  /** where the secret of the first start is written, readable by this user alone */
  readonly file: string;
}

export class AdminSecret implements Authentication {
  readonly #options: AdminSecretOptions;
  readonly #failures = new RateLimiterMemory(FAILURES);
  /** fast hash of what scrypt has found right, so that only the first request pays for it */
  #proven: Buffer | undefined;

  constructor(options: AdminSecretOptions) {
    this.#options = options;
  }

  /** Makes the secret at the first start: the file first, so that a crash in between only makes another. */
  async load(): Promise<void> {
    const { database, facts, random, file } = this.#options;
    if (facts.get(FACT) !== undefined) return;
    const secret = random.bytes(SECRET_BYTES).toString('base64url');
    await writeFileAtomic(file, `${secret}\n`, 0o600);
    const hash = await hashOf(secret, random.bytes(16));
    await database.transaction((tx) => facts.set(tx, FACT, hash));
  }

  async scopeOf(request: IncomingMessage): Promise<Scope> {
    const secret = /^Bearer ([\x21-\x7e]{1,256})$/i.exec(request.headers.authorization ?? '')?.[1];
    if (secret === undefined) throw new BackhaulError('BH-E-AUTH');
    if (!(await this.verify(secret, request.socket.remoteAddress ?? '')))
      throw new BackhaulError('BH-E-AUTH', { detail: 'the secret is not right' });
    return EVERYTHING;
  }

  async verify(secret: string, address: string): Promise<boolean> {
    const fast = createHash('sha256').update(secret).digest();
    if (this.#proven && timingSafeEqual(fast, this.#proven)) return true;
    await this.#takeTry(address);
    const right = secret.length <= SECRET_MAX_LENGTH && (await matches(secret, this.#options.facts.require(FACT)));
    if (right) {
      this.#proven = fast;
      await this.#failures.reward(address);
    }
    return right;
  }

  /** Counted before it is looked at, so that many at once are no way around the count. */
  async #takeTry(address: string): Promise<void> {
    await this.#failures.consume(address).catch((tries: RateLimiterRes) => {
      throw new BackhaulError('BH-E-RATE', { retryAfterMs: tries.msBeforeNext });
    });
  }
}

/** `scrypt:<salt>:<hash>` */
async function hashOf(secret: string, salt: Buffer): Promise<string> {
  const hash = await derive(secret, salt, HASH_BYTES, SCRYPT);
  return `scrypt:${salt.toString('base64')}:${hash.toString('base64')}`;
}

async function matches(secret: string, stored: string): Promise<boolean> {
  const [, salt = '', hash = ''] = stored.split(':');
  const wanted = Buffer.from(hash, 'base64');
  const found = await derive(secret, Buffer.from(salt, 'base64'), HASH_BYTES, SCRYPT);
  return wanted.length === found.length && timingSafeEqual(found, wanted);
}
