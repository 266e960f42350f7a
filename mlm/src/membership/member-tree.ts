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
  /** how many customers have an active direct child */
  readonly activeCustomers: number;
  readonly #self: string;
  readonly #components: ReadonlyMap<string, MemberComponent>;
  /** direct children under which a component lies: more than one when it has several parents */
  readonly #childrenOf = new Map<string, ReadonlySet<string>>();
  readonly #groups: ReadonlyMap<string, readonly string[]>;

  constructor(self: string, document: MembershipDocument) {
    this.#self = self;
    this.version = document.version;
    this.document = document;
    this.#components = new Map(document.components.map((component) => [component.id, component]));
    this.children = document.components.filter((component) => parentsOf(component).includes(self));
    this.activeChildren = this.children.filter(({ state }) => state === 'active');
    this.activeCustomers = new Set(this.activeChildren.map(({ customer }) => customer)).size;
    this.#groups = new Map(Object.entries(document.groups));
    for (const { id } of document.components) this.#childrenOf.set(id, new Set(this.#climb(id, 0)));
  }

  component(id: string): MemberComponent | undefined {
    return this.#components.get(id);
  }

  /** True for the child itself and all that lies below it, however deep. */
  isAtOrBelow(id: string, child: string): boolean {
    return id === child || this.#childrenOf.get(id)?.has(child) === true;
  }

  /**
   * The active direct children that lead to a component, or to what lies below a proxy, by every path; none: nobody here.
   */
  nextHops(id: string): readonly string[] {
    const component = this.#nearest(id);
    if (component?.state !== 'active') return [];
    const children = [...(this.#childrenOf.get(component.id) ?? [])];
    return children.filter((child) => this.#components.get(child)?.state === 'active');
  }

  /** Members of a group that lie here; undefined when there is no such group. */
  group(name: string): readonly string[] | undefined {
    return this.#groups.get(name);
  }

  #climb(id: string, depth: number): string[] {
    const component = this.#components.get(id);
    if (component === undefined || depth >= MAX_DEPTH) return [];
    return parentsOf(component).flatMap((parent) => (parent === this.#self ? [id] : this.#climb(parent, depth + 1)));
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

/** In order of preference; only those that matter to the MLM that was told. */
export function parentsOf({ parent, alternates = [] }: MemberComponent): string[] {
  return parent == null ? alternates : [parent, ...alternates];
}
