import type { Contents } from './cores.ts';
import type { Delta } from './scripts.ts';

/** Commits of which nobody knows are few; more would mean that a workload goes on over a broken store. */
const UNSURE = 10;

/** What is wrong with what was found, each a line. */
export interface Judgement {
  readonly lost: readonly string[];
  readonly duplicated: readonly string[];
  /** half of a commit, or an account that cannot be right */
  readonly unexplained: readonly string[];
  /** nobody ever handed this in, or not these bytes */
  readonly altered: readonly string[];
}

/**
 * What a store may hold, judged from nothing but what its workload said. Every commit is whole or not there; what was
 * acknowledged is there; of what was begun or refused nobody knows, so both are allowed.
 */
export class Account {
  /** the states that are allowed; one, unless a commit is open or unsure */
  #states: Contents[] = [{}];
  #open: { n: number; delta: Delta } | undefined;
  readonly #everSet = new Map<string, Set<string>>();
  readonly #unexpected: string[] = [];
  acknowledged = 0;
  unsure = 0;
  /** the last line that says in which state the workload is */
  phase = '';

  hear(lines: readonly string[]): this {
    for (const line of lines) this.#hearOne(line);
    return this;
  }

  /** What the acknowledged commits alone would leave, in its first reading. */
  get certain(): Contents {
    return this.#states[0]!;
  }

  /** Something the workload found in its own store, while it ran, that it could not have said. */
  get unexpected(): readonly string[] {
    return this.#unexpected;
  }

  judge(found: Contents): Judgement | undefined {
    const allowed = this.#allowed();
    if (allowed.some((state) => isSame(state, found))) return undefined;
    const judgements = allowed.map((state) => this.#compare(state, found));
    return judgements.reduce((a, b) => (linesOf(b) < linesOf(a) ? b : a));
  }

  #hearOne(line: string): void {
    const [verb, rest] = [line.split(' ', 1)[0]!, line.slice(line.indexOf(' ') + 1)];
    if (verb === 'try') {
      const { n, ...delta } = JSON.parse(rest) as { n: number } & Delta;
      this.#open = { n, delta };
      for (const [key, value] of Object.entries(delta.set ?? {})) this.#remember(key, value);
    } else if (verb === 'ok') {
      this.#states = this.#states.map((state) => applied(state, this.#open!.delta));
      this.#open = undefined;
      this.acknowledged += 1;
    } else if (verb === 'unsure') {
      this.#states = this.#allowed();
      this.#open = undefined;
      this.unsure += 1;
      if (this.#states.length > 2 ** UNSURE) throw new Error('too many commits of which nobody knows');
    } else if (verb === 'now') {
      this.#narrow(JSON.parse(rest) as Contents);
    } else {
      this.phase = line;
    }
  }

  #narrow(found: Contents): void {
    const judgement = this.judge(found);
    if (judgement !== undefined) this.#unexpected.push(...Object.values(judgement).flat());
    this.#states = [found];
  }

  #allowed(): Contents[] {
    const open = this.#open;
    return open === undefined ? this.#states : this.#states.flatMap((state) => [state, applied(state, open.delta)]);
  }

  #remember(key: string, value: string): void {
    const known = this.#everSet.get(key) ?? new Set();
    this.#everSet.set(key, known.add(value));
  }

  #compare(expected: Contents, found: Contents): Judgement {
    const pending = new Set([...Object.keys(this.#open?.delta.set ?? {}), ...(this.#open?.delta.del ?? [])]);
    const lost = Object.keys(expected).filter((key) => found[key] === undefined);
    const others = Object.keys(found).filter((key) => found[key] !== expected[key]);
    const isKnown = (key: string): boolean => this.#everSet.get(key)?.has(found[key]!) === true;
    return {
      lost: lost.filter((key) => !pending.has(key)).map((key) => `${key} is lost`),
      duplicated: others.filter((key) => isKnown(key) && !pending.has(key)).map((key) => `${key} is back`),
      unexplained: [...lost, ...others].filter((key) => pending.has(key)).map((key) => `${key} of half a commit`),
      altered: others.filter((key) => !isKnown(key)).map((key) => `${key} is ${found[key]}, nobody set that`),
    };
  }
}

function linesOf(judgement: Judgement): number {
  return Object.values(judgement).reduce((sum, lines) => sum + lines.length, 0);
}

function applied(state: Contents, { set = {}, del = [] }: Delta): Contents {
  const next = { ...state, ...set };
  for (const key of del) delete next[key];
  return next;
}

function isSame(a: Contents, b: Contents): boolean {
  const keys = Object.keys(a);
  return keys.length === Object.keys(b).length && keys.every((key) => a[key] === b[key]);
}
