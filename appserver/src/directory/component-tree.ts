import type { Identity } from '@backhaul/identity';

export type ComponentState = 'active' | 'revoked';

/**
 * A registered component. `parents` are the components it hangs below in order of preference, this application server for
 * the topmost; `parent` is the preferred one.
 */
export interface ComponentRecord {
  readonly id: string;
  readonly kind: Identity['kind'];
  readonly customer: string;
  readonly site: string | null;
  readonly parent: string;
  readonly parents: readonly string[];
  readonly state: ComponentState;
  readonly createdAt: number;
}

/** Who stands below whom, by every path [DESIGN §5]. Never changed in place: the directory makes a new one after each commit. */
export class ComponentTree {
  /** id of this application server, the root */
  readonly self: string;
  readonly #components: ReadonlyMap<string, ComponentRecord>;
  readonly #children: ReadonlyMap<string, readonly ComponentRecord[]>;

  constructor(self: string, components: readonly ComponentRecord[]) {
    this.self = self;
    this.#components = new Map(components.map((component) => [component.id, component]));
    const children = new Map<string, ComponentRecord[]>();
    for (const component of components)
      for (const parent of component.parents) {
        const list = children.get(parent) ?? [];
        list.push(component);
        children.set(parent, list);
      }
    this.#children = children;
  }

  get(id: string): ComponentRecord | undefined {
    return this.#components.get(id);
  }

  all(): ComponentRecord[] {
    return [...this.#components.values()];
  }

  /** Whoever has this parent among its parents. */
  children(id: string): readonly ComponentRecord[] {
    return this.#children.get(id) ?? [];
  }

  /** The component itself and everything below it, each once. */
  subtree(id: string): ComponentRecord[] {
    const own = this.#components.get(id);
    const found = new Set<ComponentRecord>(own ? [own] : []);
    for (const child of own ? [] : this.children(id)) found.add(child);
    for (const at of found) for (const child of this.children(at.id)) found.add(child);
    return [...found];
  }

  /** How many steps it stands below this application server, by its longest path. */
  depth(id: string): number {
    const parents = this.#components.get(id)?.parents ?? [];
    return 1 + Math.max(0, ...parents.filter((parent) => parent !== this.self).map((parent) => this.depth(parent)));
  }

  /** True for the component itself, too. */
  isBelow(id: string, ancestor: string): boolean {
    const component = this.#components.get(id);
    if (!component) return false;
    return id === ancestor || component.parents.some((parent) => parent === ancestor || this.isBelow(parent, ancestor));
  }

  /**
   * The direct children of this application server through which a component is reached, by every path, the preferred one
   * first. A path through a revoked component counts only when there is no other.
   */
  nextHops(id: string): string[] {
    const open = this.#hops(id, (parent) => parent.state === 'active');
    return open.length > 0 ? open : this.#hops(id, () => true);
  }

  #hops(id: string, isOpen: (parent: ComponentRecord) => boolean): string[] {
    const parents = this.#components.get(id)?.parents ?? [];
    const hops = parents.flatMap((parent) => {
      if (parent === this.self) return [id];
      const above = this.#components.get(parent);
      return above && isOpen(above) ? this.#hops(parent, isOpen) : [];
    });
    return [...new Set(hops)];
  }

  /**
   * The component that owns an ID: a registered component itself, or the proxy of a support instance or integrator
   * (`<proxy>.s7` → `<proxy>`).
   */
  ownerOf(id: string): ComponentRecord | undefined {
    return this.#components.get(id) ?? this.#components.get(id.slice(0, Math.max(0, id.lastIndexOf('.'))));
  }
}
