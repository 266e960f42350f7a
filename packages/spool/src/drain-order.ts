import type { Lane } from './types.ts';

/** Lanes from 0 to here go strictly first: emergency and urgent messages pass any backlog [DESIGN §4.8]. */
export const LAST_STRICT_LANE = 3;
/**
 * How many claims of other lanes a lane lets pass for each step of precedence that it stands below them. Counted in claims, not in
 * seconds: so it holds on any link. A low lane (6) beside a normal one (4) gets one envelope in nine, bulk (8) one in seventeen.
 */
export const AGEING_CLAIMS = 4;

/**
 * Which lane is served next. Lanes above the strict ones age while they have something to send and others are served; the age is
 * taken off their number, four claims a step. So the higher precedence gets most, and none starves.
 */
export class DrainOrder {
  /** claims of others since the lane was served or had nothing to send */
  readonly #ages = new Map<Lane, number>();

  /** The lanes that have something to send, best first. */
  order(lanes: readonly Lane[]): Lane[] {
    for (const lane of this.#ages.keys()) if (!lanes.includes(lane)) this.#ages.delete(lane);
    return lanes.toSorted((a, b) => this.#score(a) - this.#score(b) || a - b);
  }

  /** One of these lanes was served. */
  served(served: Lane, lanes: readonly Lane[]): void {
    if (served <= LAST_STRICT_LANE) return;
    for (const lane of lanes) {
      if (lane > LAST_STRICT_LANE) this.#ages.set(lane, lane === served ? 0 : (this.#ages.get(lane) ?? 0) + 1);
    }
  }

  #score(lane: Lane): number {
    if (lane <= LAST_STRICT_LANE) return Number.NEGATIVE_INFINITY;
    return lane * AGEING_CLAIMS - (this.#ages.get(lane) ?? 0);
  }
}
