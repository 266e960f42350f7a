import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client';

type Labels = Record<string, string>;

export interface CounterHandle {
  inc(labels?: Labels, by?: number): void;
}

export interface HistogramHandle {
  observe(value: number, labels?: Labels): void;
}

/** Process figures are the same for every part of a process, so they are collected once. */
let processRegistry: Registry | undefined;

function processMetrics(): Registry {
  if (processRegistry === undefined) {
    processRegistry = new Registry();
    collectDefaultMetrics({ register: processRegistry });
  }
  return processRegistry;
}

/**
 * The figures of one role, named `backhaul_<role>_<name>`. Asking for a name again gives the same counter or histogram;
 * for a gauge the last `read` given counts.
 */
export class Metrics {
  readonly #role: string;
  readonly #registry = new Registry();
  readonly #handles = new Map<string, CounterHandle | HistogramHandle>();

  constructor(role: string) {
    this.#role = role;
  }

  counter(name: string, help: string, labels: string[] = []): CounterHandle {
    return this.#once(name, (full) => {
      const counter = new Counter({ name: full, help, labelNames: labels, registers: [this.#registry] });
      return { inc: (values: Labels = {}, by = 1) => counter.inc(values, by) };
    });
  }

  histogram(name: string, help: string, buckets: number[], labels: string[] = []): HistogramHandle {
    return this.#once(name, (full) => {
      const histogram = new Histogram({ name: full, help, buckets, labelNames: labels, registers: [this.#registry] });
      return { observe: (value: number, values: Labels = {}) => histogram.observe(values, value) };
    });
  }

  /** `read` is called when the figures are fetched. */
  gauge(name: string, help: string, read: () => number): void {
    this.labelledGauge(name, help, [], () => [{ labels: {}, value: read() }]);
  }

  labelledGauge(name: string, help: string, labels: string[], read: () => { labels: Labels; value: number }[]): void {
    const full = this.#fullName(name);
    this.#registry.removeSingleMetric(full);
    const collect = function (this: Gauge<string>): void {
      this.reset();
      for (const { labels: values, value } of read()) this.set(values, value);
    };
    new Gauge({ name: full, help, labelNames: labels, registers: [this.#registry], collect });
  }

  /** Everything in Prometheus' text form. */
  async text(): Promise<string> {
    return `${await this.#registry.metrics()}\n${await processMetrics().metrics()}`;
  }

  /** Full names of this role's own figures. */
  get names(): string[] {
    return this.#registry.getMetricsAsArray().map((metric) => metric.name);
  }

  #fullName(name: string): string {
    return `backhaul_${this.#role}_${name}`;
  }

  #once<H extends CounterHandle | HistogramHandle>(name: string, make: (fullName: string) => H): H {
    const full = this.#fullName(name);
    const known = this.#handles.get(full) as H | undefined;
    if (known !== undefined) return known;
    const handle = make(full);
    this.#handles.set(full, handle);
    return handle;
  }
}
