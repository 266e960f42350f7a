import { BackhaulError, type Random } from '@backhaul/runtime';
import { parseJson, putJson } from './keys.ts';
import { type Change, type Op, type Store, stagedChange } from './store.ts';
import type { Lane, Numbering } from './types.ts';

interface Reservation {
  readonly first: number;
  readonly last: number;
  state: 'reserved' | 'submitted' | 'returned';
}

/**
 * The component's own numbers. `last` of a lane counts what was reserved. A reservation lasts until the end of its tick: submitted by
 * then it will be on disk before any later one (commits end in order), otherwise it is given back. So no sequence is ever skipped.
 * The epoch is written with the first numbers given in it. A store that was found damaged begins a new one.
 */
export class SequenceCounter implements Numbering {
  readonly #store: Store;
  readonly #random: Random;
  readonly #prefix: string;
  readonly #last = new Map<Lane, number>();
  readonly #reservedByLane = new Map<Lane, Reservation[]>();
  #epoch = '';
  #epochIsStored = false;
  #listening = false;
  /** of the store, as of the last load */
  #findings = 0;

  constructor(options: { store: Store; random: Random; prefix: string }) {
    this.#store = options.store;
    this.#random = options.random;
    this.#prefix = `${options.prefix}/`;
  }

  get epoch(): string {
    return this.#epoch;
  }

  async load(): Promise<void> {
    if (!this.#listening) this.#store.onReopened(() => this.load());
    this.#listening = true;
    const stored = await this.#store.get(`${this.#prefix}epoch`);
    this.#epochIsStored = stored !== undefined;
    this.#epoch = stored === undefined ? this.#newEpoch() : parseJson<string>(stored);
    this.#reset();
    for await (const [key, value] of this.#store.scan(`${this.#prefix}lane/`)) {
      const { epoch, last } = parseJson<{ epoch: string; last: number }>(value);
      if (epoch === this.#epoch) this.#last.set(Number(key.slice(key.lastIndexOf('/') + 1)), last);
    }
    this.#renewAfterDamage();
  }

  /** Throws BH-E-INTERNAL at the commit when the numbers were given back before, or when lower ones are not submitted. */
  stage(lane: Lane, count: number): { first: number; change: Change } {
    const reservation: Reservation = { first: this.last(lane) + 1, last: this.last(lane) + count, state: 'reserved' };
    this.#last.set(lane, reservation.last);
    this.#reserved(lane).push(reservation);
    queueMicrotask(() => this.#giveBack(lane, reservation));
    const change = stagedChange(() => this.#submit(lane, reservation));
    return { first: reservation.first, change };
  }

  last(lane: Lane): number {
    return this.#last.get(lane) ?? 0;
  }

  /** In effect when submitted. */
  renew(): Change {
    return stagedChange(() => {
      this.#epoch = this.#newEpoch();
      this.#epochIsStored = false;
      this.#reset();
      return this.#epochOps();
    });
  }

  /** What was stored here may be older than what was given: numbers that may have been given are not given again. */
  #renewAfterDamage(): void {
    const findings = this.#store.findings().length;
    if (findings > this.#findings) {
      this.#epoch = this.#newEpoch();
      this.#epochIsStored = false;
      this.#reset();
    }
    this.#findings = findings;
  }

  #submit(lane: Lane, reservation: Reservation): Op[] {
    if (reservation.state === 'returned') throw misuse('numbers must be staged and committed in one tick');
    const reserved = this.#reserved(lane);
    if (reserved[0] !== reservation) throw misuse('numbers must be committed in the order in which they were staged');
    reserved.shift();
    reservation.state = 'submitted';
    return [
      ...this.#epochOps(),
      putJson(`${this.#prefix}lane/${lane}`, { epoch: this.#epoch, last: reservation.last }),
    ];
  }

  /** At the end of the tick: all that were not submitted are the highest ones, because submission is in order. */
  #giveBack(lane: Lane, reservation: Reservation): void {
    if (reservation.state !== 'reserved') return;
    const reserved = this.#reserved(lane);
    if (!reserved.includes(reservation)) return; // loaded again meanwhile
    this.#last.set(lane, reserved[0]!.first - 1);
    for (const given of reserved.splice(0)) given.state = 'returned';
  }

  #reserved(lane: Lane): Reservation[] {
    let reserved = this.#reservedByLane.get(lane);
    if (reserved === undefined) this.#reservedByLane.set(lane, (reserved = []));
    return reserved;
  }

  #epochOps(): Op[] {
    if (this.#epochIsStored) return [];
    this.#epochIsStored = true;
    return [putJson(`${this.#prefix}epoch`, this.#epoch)];
  }

  #reset(): void {
    this.#last.clear();
    for (const reservation of [...this.#reservedByLane.values()].flat()) reservation.state = 'returned';
    this.#reservedByLane.clear();
  }

  #newEpoch(): string {
    return this.#random.bytes(8).toString('hex');
  }
}

function misuse(detail: string): BackhaulError {
  return new BackhaulError('BH-E-INTERNAL', { detail });
}
