import type { ProxyNode } from './nodes/proxy-node.ts';
import type { World } from './world.ts';

/**
 * Copies of a machine's disk that are put back later, as somebody does who restores an image. What was accepted after the copy
 * was made and had not left by then is gone with the disk: that is forgiven, nothing else.
 */
export class PastPutBack {
  readonly #world: World;
  readonly #lostSpans: { node: string; from: number; to: number }[] = [];

  constructor(world: World) {
    this.#world = world;
  }

  copy(node: ProxyNode, afterMs: number, downMs: number): void {
    const { sim, watch } = this.#world;
    const copy = node.disk.snapshot();
    const from = sim.now;
    sim.schedule(afterMs, `${node.id} gets its past back`, () => {
      if (this.#world.healed) return;
      watch.excuse(node.id, 'restored');
      node.crash(Math.max(downMs, 50));
      node.disk.restore(copy);
      this.#lostSpans.push({ node: node.id, from, to: sim.now });
    });
  }

  isForgiven(source: string, at: number): boolean {
    return this.#lostSpans.some(({ node, from, to }) => node === source && from <= at && at <= to);
  }

  /** When a machine had got its past back before `at`; undefined when never. */
  putBackBefore(source: string, at: number): number | undefined {
    return this.#lostSpans.findLast(({ node, to }) => node === source && to < at)?.to;
  }
}
