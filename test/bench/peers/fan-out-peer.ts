import type { Crowd } from '../light/crowd.ts';

/** A system with connected members, that can be handed messages for all of them. */
export interface FanOutPeer {
  readonly crowd: Crowd;
  /** the system itself, without the members */
  readonly pids: readonly number[];
  publish(payloads: readonly Buffer[]): Promise<void>;
  stop(): Promise<void>;
}
