import { jsonOf, membership as membershipSchema } from '@backhaul/envelope';
import { BackhaulError } from '@backhaul/runtime';
import { type Change, type Store, stagedChange } from '@backhaul/spool';
import type { Peer } from '@backhaul/transport';
import { EMPTY_MEMBERSHIP, type MembershipDocument, MemberTree, parentsOf } from './member-tree.ts';

const KEY = 'membership';

/** Who is below this MLM: the newest version it was told, kept in its store. It counts from the moment it is submitted. */
export class Membership {
  readonly #self: string;
  readonly #store: Store;
  readonly #onRevoked: (id: string) => void;
  #tree: MemberTree;

  constructor(options: { self: string; store: Store; onRevoked?: (id: string) => void }) {
    this.#self = options.self;
    this.#store = options.store;
    this.#onRevoked = options.onRevoked ?? (() => {});
    this.#tree = new MemberTree(options.self, EMPTY_MEMBERSHIP);
  }

  get tree(): MemberTree {
    return this.#tree;
  }

  async load(): Promise<void> {
    const stored = await this.#store.get(KEY);
    const document = stored === undefined ? EMPTY_MEMBERSHIP : parseMembership(Buffer.from(stored).toString());
    this.#tree = new MemberTree(this.#self, document);
  }

  /**
   * A newer version, and the change that stores it, for the commit that acknowledges the message that brought it. A group
   * message behind it in the same reply is expanded by `tree`. Undefined for a version that is not newer than `than`.
   */
  stage(document: MembershipDocument, than: MemberTree = this.#tree): { tree: MemberTree; change: Change } | undefined {
    if (document.version <= than.version) return undefined;
    const tree = new MemberTree(this.#self, document);
    const put = { type: 'put', key: KEY, value: Buffer.from(JSON.stringify(document)) } as const;
    const submit = () => {
      this.#tree = tree;
      return [put];
    };
    const change = stagedChange(submit, () => this.#tellRevoked(than));
    return { tree, change };
  }

  /** Called for every request. Throws BH-E-ID-KIND, BH-E-ID-UNKNOWN, BH-E-ID-REVOKED. */
  admit({ identity }: Peer): void {
    if (identity.kind !== 'proxy' && identity.kind !== 'mlm') {
      throw new BackhaulError('BH-E-ID-KIND', { detail: `${identity.id} is a ${identity.kind}` });
    }
    const component = this.#tree.component(identity.id);
    const known = component?.kind === identity.kind && component.customer === identity.customer;
    if (!known || !parentsOf(component).includes(this.#self))
      throw new BackhaulError('BH-E-ID-UNKNOWN', { detail: identity.id });
    if (component.state !== 'active') throw new BackhaulError('BH-E-ID-REVOKED', { detail: identity.id });
  }

  #tellRevoked(before: MemberTree): void {
    for (const { id } of before.children) {
      if (this.#tree.component(id)?.state !== 'active') this.#onRevoked(id);
    }
  }
}

/** Throws BH-E-JSON, BH-E-NAME, BH-E-SCHEMA with the place in the document. */
export function parseMembership(text: string): MembershipDocument {
  const parsed = membershipSchema.safeParse(jsonOf({ mimeType: 'application/json', encoding: 'none', text }));
  if (parsed.success) return parsed.data;
  const issue = parsed.error.issues[0];
  throw new BackhaulError('BH-E-SCHEMA', { detail: `membership: ${issue?.path.join('.')}: ${issue?.message}` });
}
