import { type ChildProcess, fork } from 'node:child_process';
import { type EventEmitter, once } from 'node:events';

/** Members of one process: whom it is to play, and where. */
export interface CrowdOrder {
  /** number of its first member among all, from 0 */
  readonly first: number;
  readonly count: number;
  readonly target: string;
}

/** What a process of members tells, and when it happened: ms of the machine's monotonic clock, which all processes share. */
export type CrowdNews =
  | { readonly news: 'gathered' | 'expecting' | 'sent' }
  | { readonly news: 'all'; readonly at: number }
  | { readonly news: 'failed'; readonly reason: string };

export type CrowdRequest =
  | { readonly ask: 'gather'; readonly order: CrowdOrder }
  /** `all` is told when every member has so many messages more than now */
  | { readonly ask: 'expect'; readonly each: number }
  /** every member sends a message in turn, spread evenly over so many ms, again and again; 0: no more */
  | { readonly ask: 'talk'; readonly everyMs: number };

const WITHIN_MS = 120_000;

/** Ms of the machine's monotonic clock. */
export function monotonicMs(): number {
  return Number(process.hrtime.bigint()) / 1e6;
}

/** Some hundred or thousand receivers in a few processes of their own, so that the one who measures is not the one who works. */
export class Crowd {
  readonly #children: readonly ChildProcess[];

  private constructor(children: readonly ChildProcess[]) {
    this.#children = children;
  }

  /** `script` calls `playCrowd`. */
  static async gather(script: URL, members: number, target: string, processes = 2): Promise<Crowd> {
    const children = Array.from({ length: processes }, () =>
      fork(script, { execArgv: process.execArgv, stdio: ['ignore', 'inherit', 'inherit', 'ipc'] }),
    );
    const crowd = new Crowd(children);
    try {
      await Promise.all(
        children.map(async (child, index) => {
          const first = Math.floor((index * members) / processes);
          const count = Math.floor(((index + 1) * members) / processes) - first;
          await crowd.#ask(child, { ask: 'gather', order: { first, count, target } }, 'gathered');
        }),
      );
      return crowd;
    } catch (error) {
      await crowd.dismiss();
      throw error;
    }
  }

  get pids(): number[] {
    return this.#children.map(({ pid }) => pid!);
  }

  /** Resolves when they count; what it gives resolves to the moment at which the last one had its messages. */
  async expect(each: number): Promise<{ readonly all: Promise<number> }> {
    const told = this.#children.map((child) => heard(child, 'all'));
    const all = Promise.all(told).then((news) => Math.max(...news.map((one) => ('at' in one ? one.at : Number.NaN))));
    all.catch(() => {});
    await Promise.all(this.#children.map((child) => this.#ask(child, { ask: 'expect', each }, 'expecting')));
    return { all };
  }

  async talk(everyMs: number): Promise<void> {
    await Promise.all(this.#children.map((child) => this.#ask(child, { ask: 'talk', everyMs }, 'sent')));
  }

  async dismiss(): Promise<void> {
    const running = this.#children.filter(({ exitCode, signalCode }) => exitCode === null && signalCode === null);
    const ended = running.map((child) => once(child, 'exit'));
    for (const child of running) child.kill('SIGKILL');
    await Promise.all(ended);
  }

  async #ask(child: ChildProcess, request: CrowdRequest, answer: CrowdNews['news']): Promise<void> {
    const answered = heard(child, answer);
    child.send(request);
    await answered;
  }
}

/** The next news of that kind; rejects when the process says that it failed, ends, or says nothing. */
function heard(child: EventEmitter, wanted: CrowdNews['news']): Promise<CrowdNews> {
  return new Promise((resolve, reject) => {
    const end = (settle: () => void): void => {
      clearTimeout(timer);
      child.off('message', listen).off('exit', gone);
      settle();
    };
    const listen = (news: CrowdNews): void => {
      if (news.news === 'failed') end(() => reject(new Error(`a member: ${news.reason}`)));
      else if (news.news === wanted) end(() => resolve(news));
    };
    const gone = (): void => end(() => reject(new Error('a process of members ended')));
    const timer = setTimeout(() => end(() => reject(new Error(`not in time: ${wanted}`))), WITHIN_MS);
    child.on('message', listen).on('exit', gone);
  });
}
