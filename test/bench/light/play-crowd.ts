import { type CrowdNews, type CrowdOrder, type CrowdRequest, monotonicMs } from './crowd.ts';

export interface Player {
  /** Hands one message up, where this kind of member does so. */
  send?(): Promise<unknown>;
}

/** Connects one member; `told` is to be called with the number of messages that came. */
export type Join = (member: number, target: string, told: (count: number) => void) => Promise<Player>;

/** So many connect at one time. */
const AT_ONCE = 50;

/** The other side of `Crowd`, in a process of members: does what it is asked, and ends with the one who asks. */
export function playCrowd(join: Join): void {
  const troupe = new Troupe(join);
  process.on('message', (request: CrowdRequest) => {
    troupe.answer(request).catch((error: Error) => say({ news: 'failed', reason: error.message }));
  });
  process.on('disconnect', () => process.exit());
  process.on('SIGINT', () => {}); // the one who asks ends us
}

function say(news: CrowdNews): void {
  process.send?.(news);
}

class Troupe {
  readonly #join: Join;
  readonly #players: Player[] = [];
  readonly #received: number[] = [];
  #wanted: number[] = [];
  #missing = 0;
  #talking: NodeJS.Timeout | undefined;

  constructor(join: Join) {
    this.#join = join;
  }

  async answer(request: CrowdRequest): Promise<void> {
    switch (request.ask) {
      case 'gather':
        return this.#gather(request.order);
      case 'expect':
        return this.#expect(request.each);
      case 'talk':
        return this.#talk(request.everyMs);
    }
  }

  async #gather({ first, count, target }: CrowdOrder): Promise<void> {
    let next = 0;
    const usher = async (): Promise<void> => {
      while (next < count) {
        const at = next++;
        this.#received[at] = 0;
        this.#players[at] = await this.#join(first + at, target, (came) => this.#told(at, came));
      }
    };
    await Promise.all(Array.from({ length: Math.min(AT_ONCE, count) }, usher));
    say({ news: 'gathered' });
  }

  #expect(each: number): void {
    this.#wanted = this.#received.map((received) => received + each);
    this.#missing = this.#wanted.length;
    say({ news: 'expecting' });
  }

  #told(member: number, came: number): void {
    const before = this.#received[member]!;
    const now = (this.#received[member] = before + came);
    const wanted = this.#wanted[member] ?? 0;
    if (before >= wanted || now < wanted) return;
    this.#missing -= 1;
    if (this.#missing === 0) say({ news: 'all', at: monotonicMs() });
  }

  #talk(everyMs: number): void {
    clearInterval(this.#talking);
    let next = 0;
    const speak = (): void => {
      const player = this.#players[next++ % this.#players.length];
      player?.send?.().catch((error: Error) => say({ news: 'failed', reason: error.message }));
    };
    if (everyMs > 0) this.#talking = setInterval(speak, everyMs / this.#players.length);
    say({ news: 'sent' });
  }
}
