import { spread } from './in-turns.ts';

/**
 * µs of processor time, of every thread of this process, that one of `count` takes: the median of the rounds. The kernel counts in
 * ticks of some ms, so a round should take a tenth of a second.
 */
export class ProcessorTime {
  readonly #rounds: number[] = [];

  async of(count: number, work: () => Promise<unknown>): Promise<void> {
    const before = process.cpuUsage();
    await work();
    const { user, system } = process.cpuUsage(before);
    this.#rounds.push((user + system) / count);
  }

  toString(): string {
    return `${spread(this.#rounds).median.toFixed(1)} µs`;
  }
}
