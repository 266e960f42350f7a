import { LIMITS } from '@backhaul/envelope';
import { BackhaulError, type Clock } from '@backhaul/runtime';
import { once } from './once.ts';
import type { LinkNumber } from './wire-headers.ts';

/** How long a number waits for an earlier one. */
export const LINK_WAIT_MS = 10_000;
/** Sessions remembered for one peer; the oldest idle one makes room. */
const SESSIONS_PER_PEER = 8;
/** A number further ahead than this cannot be the window of a session that just began. */
const AHEAD = 2 * LIMITS.window;

/**
 * The envelopes of one session, in number order [DESIGN §3].
 *
 *   n < next                  done before (a repeat): handled at once, the receiver drops what it has seen
 *   n = next, nobody running  its turn
 *   n = next, running         the same number twice at once: refused
 *   n > next                  waits, at most LINK_WAIT_MS; then BH-E-LINK-ORDER
 *
 * `next` moves on when the running number is done (taken, in its order; it need not be durable yet), or when it was refused before
 * its turn came (`skip`).
 */
interface Session {
  next: number;
  running: boolean;
  readonly skipped: Set<number>;
  readonly waiting: Map<number, () => void>;
}

export interface LinkOrderOptions {
  readonly clock: Clock;
  readonly waitMs?: number;
}

const nothingToDo = (): void => {};

export class LinkOrder {
  readonly #clock: Clock;
  readonly #waitMs: number;
  readonly #peers = new Map<string, Map<string, Session>>();

  constructor(options: LinkOrderOptions) {
    this.#clock = options.clock;
    this.#waitMs = options.waitMs ?? LINK_WAIT_MS;
  }

  /** Resolves when it is the number's turn; the function it gives must be called when the envelope is taken. */
  async enter(peer: string, link: LinkNumber, signal?: AbortSignal): Promise<() => void> {
    const session = this.#peers.get(peer)?.get(link.session) ?? this.#begin(peer, link.session);
    if (!session) {
      throw new BackhaulError('BH-E-BUSY', { detail: `${SESSIONS_PER_PEER} sessions at work`, retryAfterMs: 1000 });
    }
    if (link.number < session.next) return nothingToDo;
    const busy = session.running && link.number === session.next;
    if (busy || session.waiting.has(link.number)) throw refusal(link, session, 'is being handled');
    if (link.number > session.next + AHEAD) throw refusal(link, session, 'is too far ahead');
    if (link.number > session.next) await this.#wait(session, link, signal);
    session.running = true;
    return once(() => this.#done(session));
  }

  /** The number was answered with a refusal before its turn came: later ones need not wait for it. */
  skip(peer: string, link: LinkNumber): void {
    const session = this.#peers.get(peer)?.get(link.session) ?? this.#begin(peer, link.session);
    if (!session || link.number < session.next || link.number > session.next + AHEAD) return;
    if (session.waiting.has(link.number) || (session.running && link.number === session.next)) return;
    session.skipped.add(link.number);
    if (!session.running) this.#advance(session);
  }

  /** Nothing more will come from this peer. */
  forget(peer: string): void {
    this.#peers.delete(peer);
  }

  #done(session: Session): void {
    session.running = false;
    session.next++;
    this.#advance(session);
  }

  #advance(session: Session): void {
    while (session.skipped.delete(session.next)) session.next++;
    session.waiting.get(session.next)?.();
  }

  #wait(session: Session, link: LinkNumber, signal?: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      const leave = (): void => {
        timer.cancel();
        signal?.removeEventListener('abort', giveUp);
        session.waiting.delete(link.number);
      };
      const giveUp = (): void => {
        leave();
        reject(refusal(link, session, `waited for ${session.next}`));
      };
      const timer = this.#clock.after(this.#waitMs, giveUp);
      signal?.addEventListener('abort', giveUp, { once: true });
      session.waiting.set(link.number, () => {
        leave();
        session.running = true;
        resolve();
      });
    });
  }

  /** Undefined when every session of this peer is at work. */
  #begin(peer: string, name: string): Session | undefined {
    const sessions = this.#peers.get(peer) ?? new Map<string, Session>();
    this.#peers.set(peer, sessions);
    if (sessions.size >= SESSIONS_PER_PEER && !dropIdle(sessions)) return undefined;
    const session: Session = { next: 1, running: false, skipped: new Set(), waiting: new Map() };
    sessions.set(name, session);
    return session;
  }
}

function dropIdle(sessions: Map<string, Session>): boolean {
  for (const [name, session] of sessions) {
    if (!session.running && session.waiting.size === 0) return sessions.delete(name);
  }
  return false;
}

function refusal(link: LinkNumber, session: Session, why: string): BackhaulError {
  return new BackhaulError('BH-E-LINK-ORDER', { detail: `number ${link.number} ${why}; next is ${session.next}` });
}
