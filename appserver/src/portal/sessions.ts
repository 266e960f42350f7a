import { createHash } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import { BackhaulError, type Clock, type Random } from '@backhaul/runtime';
import type { Scope } from '../store/scope.ts';

const LIFE_MS = 8 * 3_600_000;
/** Logged-in browsers at one time; the oldest goes when there are more. */
const MAX_SESSIONS = 1_000;
const TOKEN_BYTES = 32;

/** `__Host-`: the browser takes it over TLS only, for this host only. */
export const COOKIE = '__Host-backhaul';
const LOGIN_COOKIE = '__Host-backhaul-login';
const LOGIN_LIFE_SECONDS = 3_600;

export interface Session {
  readonly scope: Scope;
  /** goes into every form, and must come back with it */
  readonly formToken: string;
  readonly expiresAt: number;
}

/** Logged-in browsers, in memory: a restart logs everybody out. Only a hash of the cookie is kept. */
export class Sessions {
  readonly #clock: Clock;
  readonly #random: Random;
  readonly #sessions = new Map<string, Session>();

  constructor(clock: Clock, random: Random) {
    this.#clock = clock;
    this.#random = random;
  }

  /** Returns the `Set-Cookie` value. */
  open(scope: Scope): string {
    const token = this.#random.bytes(TOKEN_BYTES).toString('base64url');
    if (this.#sessions.size >= MAX_SESSIONS) this.#sessions.delete(this.#sessions.keys().next().value!);
    const formToken = this.#random.bytes(TOKEN_BYTES).toString('base64url');
    this.#sessions.set(keyOf(token), { scope, formToken, expiresAt: this.#clock.now() + LIFE_MS });
    return cookie(COOKIE, token, LIFE_MS / 1_000);
  }

  /** For the log-in form, which has no session yet: the same value goes into the form and into a cookie. */
  loginToken(): { token: string; cookie: string } {
    const token = this.#random.bytes(TOKEN_BYTES).toString('base64url');
    return { token, cookie: cookie(LOGIN_COOKIE, token, LOGIN_LIFE_SECONDS) };
  }

  /** @throws BH-E-CSRF */
  requireLoginToken(request: IncomingMessage, given: string): void {
    if (given === '' || cookieOf(request, LOGIN_COOKIE) !== given) throw new BackhaulError('BH-E-CSRF');
  }

  find(request: IncomingMessage): Session | undefined {
    const token = cookieOf(request, COOKIE);
    const session = token === undefined ? undefined : this.#sessions.get(keyOf(token));
    if (session && session.expiresAt > this.#clock.now()) return session;
    if (token !== undefined) this.#sessions.delete(keyOf(token));
    return undefined;
  }

  /** Returns the `Set-Cookie` value that forgets the cookie. */
  close(request: IncomingMessage): string {
    const token = cookieOf(request, COOKIE);
    if (token !== undefined) this.#sessions.delete(keyOf(token));
    return cookie(COOKIE, '', 0);
  }
}

/** A form is taken only from a page of this portal. @throws BH-E-CSRF */
export function requireSameOrigin(request: IncomingMessage): void {
  const { origin, host } = request.headers;
  const site = request.headers['sec-fetch-site'];
  const sameSite = site === undefined || site === 'same-origin' || site === 'none';
  if (origin !== `https://${host}` || !sameSite) throw new BackhaulError('BH-E-CSRF');
}

function cookie(name: string, value: string, maxAgeSeconds: number): string {
  return `${name}=${value}; Path=/; Max-Age=${maxAgeSeconds}; Secure; HttpOnly; SameSite=Strict`;
}

function cookieOf({ headers }: IncomingMessage, name: string): string | undefined {
  const pairs = (headers.cookie ?? '').split(';').map((pair) => pair.trim());
  const own = pairs.find((pair) => pair.startsWith(`${name}=`))?.slice(name.length + 1);
  return own === '' ? undefined : own;
}

const keyOf = (token: string): string => createHash('sha256').update(token).digest('base64');
