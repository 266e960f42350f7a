import type { Identity } from '@backhaul/identity';

export type ComponentState = 'active' | 'revoked';

/** A registered component. `parent` is the component it hangs below; this application server for the topmost. */
export interface ComponentRecord {
  readonly id: string;
  readonly kind: Identity['kind'];
  readonly customer: string;
  readonly site: string | null;
  readonly parent: string;
  readonly state: ComponentState;
  readonly createdAt: number;
}

/** Who stands below whom [DESIGN §5]. Never changed in place: the directory makes a new one after each commit. */
export class ComponentTree {
  /** id of this application server, the root */
  readonly self: string;
  readonly #components: ReadonlyMap<string, ComponentRecord>;
  readonly #children: ReadonlyMap<string, readonly ComponentRecord[]>;

  constructor(self: string, components: readonly ComponentRecord[]) {
    this.self = self;
    this.#components = new Map(components.map((component) => [component.id, component]));
    this.#children = Map.groupBy(components, ({ parent }) => parent);
  }

  get(id: string): ComponentRecord | undefined {
    return this.#components.get(id);
  }

  all(): ComponentRecord[] {
    return [...this.#components.values()];
  }

  children(id: string): readonly ComponentRecord[] {
    return this.#children.get(id) ?? [];
  }

  /** The component itself and everything below it. */
  subtree(id: string): ComponentRecord[] {
    const own = this.#components.get(id);
    return [...(own ? [own] : []), ...this.children(id).flatMap((child) => this.subtree(child.id))];
  }

  /** From the component up to, and without, this application server. Empty when it is not registered. */
  path(id: string): ComponentRecord[] {
    const path: ComponentRecord[] = [];
    for (
      let at = this.#components.get(id);
      at && path.length <= this.#components.size;
      at = this.#components.get(at.parent)
    )
      path.push(at);
    return path;
  }

  isBelow(id: string, ancestor: string): boolean {
    return this.path(id).some((component) => component.id === ancestor);
  }

  /** The direct child of this application server through which a component is reached. */
  nextHop(id: string): ComponentRecord | undefined {
    const top = this.path(id).at(-1);
    return top?.parent === this.self ? top : undefined;
  }

  /**
   * The component that owns an ID: a registered component itself, or the proxy of a support instance or integrator
   * (`<proxy>.s7` → `<proxy>`).
   */
  ownerOf(id: string): ComponentRecord | undefined {
    return this.#components.get(id) ?? this.#components.get(id.slice(0, Math.max(0, id.lastIndexOf('.'))));
  }
}
