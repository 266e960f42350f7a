/** µs of processor time, of every thread of this process, that one of `count` takes: the least of the rounds, so that others do not count. */
export class ProcessorTime {
  #least = Number.POSITIVE_INFINITY;

  async of(count: number, work: () => Promise<unknown>): Promise<void> {
    const before = process.cpuUsage();
    await work();
    const { user, system } = process.cpuUsage(before);
    this.#least = Math.min(this.#least, (user + system) / count);
  }

  toString(): string {
    return `${this.#least.toFixed(1)} µs`;
  }
}
