import type { StatusState } from '@backhaul/envelope';
import type { Clock } from '@backhaul/runtime';

export interface InstanceReport {
  readonly id: string;
  readonly state: StatusState;
  readonly text?: string | undefined;
}

export interface Heard {
  /** wall ms */
  readonly at: number;
  readonly state: StatusState;
  readonly text?: string | undefined;
}

/** When integrators and support instances were last heard of, and what they said. Memory only: after a start nobody has been heard. */
export class Liveness {
  readonly #clock: Clock;
  readonly #integrators = new Map<string, number>();
  readonly #instances = new Map<string, Heard>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  heardIntegrator(id: string): void {
    this.#integrators.set(id, this.#clock.now());
  }

  heardInstance({ id, state, text }: InstanceReport): void {
    this.#instances.set(id, { at: this.#clock.now(), state, text });
  }

  /** A message about it shows that it is looked after, whatever its state. */
  touchedInstance(id: string): void {
    const before = this.#instances.get(id);
    this.#instances.set(id, { state: before?.state ?? 'ok', text: before?.text, at: this.#clock.now() });
  }

  integrator(id: string): number | undefined {
    return this.#integrators.get(id);
  }

  instance(id: string): Heard | undefined {
    return this.#instances.get(id);
  }
}
