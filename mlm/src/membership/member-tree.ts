import type { Membership as MembershipDocument } from '@backhaul/envelope';

export type { MembershipDocument };
export type MemberComponent = MembershipDocument['components'][number];

/** Nobody below: what an MLM knows before it was told anything. */
export const EMPTY_MEMBERSHIP: MembershipDocument = { version: 0, components: [], groups: {} };

/** More steps than any tree of components has; a document with a circle ends here. */
const MAX_DEPTH = 16;

/**
 * One version of the membership, indexed; it never changes. Who is below whom comes from the parents that the document
 * names, not from IDs; only what lies below a proxy (integrators, support instances) is found by the dots in its ID.
 */
export class MemberTree {
  readonly version: number;
  readonly document: MembershipDocument;
  /** direct children, revoked ones too */
  readonly children: readonly MemberComponent[];
  readonly activeChildren: readonly MemberComponent[];
  readonly #self: string;
  readonly #components: ReadonlyMap<string, MemberComponent>;
  /** direct child under which a component lies */
  readonly #childOf = new Map<string, string>();
  readonly #groups: ReadonlyMap<string, readonly string[]>;

  constructor(self: string, document: MembershipDocument) {
    this.#self = self;
    this.version = document.version;
    this.document = document;
    this.#components = new Map(document.components.map((component) => [component.id, component]));
    this.children = document.components.filter(({ parent }) => parent === self);
    this.activeChildren = this.children.filter(({ state }) => state === 'active');
    this.#groups = new Map(Object.entries(document.groups));
    for (const { id } of document.components) {
      const child = this.#climb(id);
      if (child !== undefined) this.#childOf.set(id, child);
    }
  }

  component(id: string): MemberComponent | undefined {
    return this.#components.get(id);
  }

  /** True for the child itself and all that lies below it, however deep. */
  isAtOrBelow(id: string, child: string): boolean {
    return id === child || this.#childOf.get(id) === child;
  }

  /** The active direct child that leads to a component, or to what lies below a proxy. Undefined: nobody here. */
  nextHop(id: string): string | undefined {
    const component = this.#nearest(id);
    if (component?.state !== 'active') return undefined;
    const child = this.#childOf.get(component.id);
    return child !== undefined && this.#components.get(child)?.state === 'active' ? child : undefined;
  }

  /** Members of a group that lie here; undefined when there is no such group. */
  group(name: string): readonly string[] | undefined {
    return this.#groups.get(name);
  }

  #climb(id: string): string | undefined {
    let at = this.#components.get(id);
    for (let depth = 0; at !== undefined && depth < MAX_DEPTH; depth++) {
      if (at.parent === this.#self) return at.id;
      at = at.parent == null ? undefined : this.#components.get(at.parent);
    }
    return undefined;
  }

  /** `c1.p2.s7` is looked after by `c1.p2`. */
  #nearest(id: string): MemberComponent | undefined {
    for (let at = id; at !== ''; at = at.slice(0, Math.max(0, at.lastIndexOf('.')))) {
      const component = this.#components.get(at);
      if (component !== undefined) return component;
    }
    return undefined;
  }
}
