import type { StatusNode } from '@backhaul/envelope';
import { isAtOrBelow } from '@backhaul/identity';
import type { Watched } from './overdue-machine.ts';

/** What heartbeats tell of those below that never speak to us themselves. */
const TOLD_KINDS: readonly string[] = ['integrator', 'instance'];
/** Who was silent and cannot be told of now, after a restart of the proxy, is no better yet. */
const SILENT: readonly string[] = ['failed', 'unknown'];

type Told = Pick<Watched, 'id' | 'kind' | 'heardAt'> & { readonly toldSilent: boolean };

/**
 * The integrators and support instances that a proxy says are silent, by its newest heartbeat; and of those that were
 * silent before, the ones it says are well again. A proxy's tree is bounded, so is this.
 */
export class ToldBelow {
  readonly #byProxy = new Map<string, readonly Told[]>();

  /** `isWatched`: it is in some state already, so good news of it matter too. Of others than its own its word is nothing [T-A19]. */
  tell(proxy: string, root: StatusNode, isWatched: (id: string) => boolean): void {
    const nodes = below(root).filter(
      ({ id, kind }) => TOLD_KINDS.includes(kind) && id !== proxy && isAtOrBelow(id, proxy),
    );
    const told = nodes.filter(({ id, state }) => state === 'failed' || isWatched(id));
    this.#byProxy.set(
      proxy,
      told.map(({ id, kind, state, heardAt }) => ({ id, kind, heardAt, toldSilent: SILENT.includes(state) })),
    );
  }

  /** As the machine takes them: they stand behind their proxy and belong to its customer. */
  watched(proxy: Pick<Watched, 'id' | 'customer' | 'site'>, known: readonly Pick<Watched, 'id' | 'kind'>[]): Watched[] {
    const told = this.#byProxy.get(proxy.id);
    const scope = { customer: proxy.customer, site: proxy.site, parents: [proxy.id] };
    if (told) return told.map((one) => ({ ...one, ...scope }));
    return known.map(({ id, kind }) => ({ id, kind, heardAt: undefined, ...scope })); // until its first heartbeat
  }
}

function below(node: StatusNode): StatusNode[] {
  return node.children.flatMap((child) => [child, ...below(child)]);
}
