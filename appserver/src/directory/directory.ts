import { CUSTOMER_PATTERN, componentId, type Identity, newCustomerId, PROVIDER } from '@backhaul/identity';
import { BackhaulError, type Clock, type Random } from '@backhaul/runtime';
import type { Downward } from '../mailboxes/downward.ts';
import type { Database, Transaction } from '../store/database.ts';
import { checkParents, MAX_PARENTS } from './component-parents.ts';
import type { ComponentRecord, ComponentTree } from './component-tree.ts';
import { type Customer, type DirectorySnapshot, type Group, loadDirectory, type Site } from './directory-snapshot.ts';
import { pushMemberships } from './membership.ts';

/** Kinds that may send to an application server. */
const RELAYING: readonly string[] = ['mlm', 'proxy'];

export interface DirectoryOptions {
  readonly database: Database;
  readonly self: Identity;
  readonly downward: Downward;
  readonly clock: Clock;
  readonly random: Random;
}

export interface NewComponents {
  readonly customer: string;
  readonly site: string;
  readonly mlms: number;
  readonly proxies: number;
  /** what the topmost of them hang below; this application server when left out */
  readonly parent?: string;
  /** each new proxy hangs below all MLMs of the site, preferring them in turn */
  readonly redundant?: boolean;
}

/**
 * Customers, sites, components and groups. Read from memory; each change is one transaction that also puts the new
 * memberships into the mailboxes, and becomes visible here when it is committed.
 */
export class Directory {
  readonly #options: DirectoryOptions;
  readonly #revocationListeners: ((id: string) => void)[] = [];
  #snapshot: DirectorySnapshot | undefined;

  constructor(options: DirectoryOptions) {
    this.#options = options;
  }

  async load(): Promise<void> {
    this.#snapshot = await loadDirectory(this.#options.database.reader, this.#options.self.id);
  }

  get snapshot(): DirectorySnapshot {
    if (!this.#snapshot) throw new BackhaulError('BH-E-DRAINING', { detail: 'the directory is not loaded' });
    return this.#snapshot;
  }

  get tree(): ComponentTree {
    return this.snapshot.tree;
  }

  /** Identity and revocation, asked for at every request [DESIGN §7]. @throws BH-E-ID-UNKNOWN, BH-E-ID-REVOKED, BH-E-ID-KIND */
  admit(identity: Identity): ComponentRecord {
    const component = this.tree.get(identity.id);
    if (!component || component.kind !== identity.kind || component.customer !== identity.customer) {
      throw new BackhaulError('BH-E-ID-UNKNOWN', { detail: identity.id });
    }
    if (component.state === 'revoked') throw new BackhaulError('BH-E-ID-REVOKED', { detail: identity.id });
    if (!RELAYING.includes(component.kind)) throw new BackhaulError('BH-E-ID-KIND', { detail: component.kind });
    if (!component.parents.includes(this.#options.self.id)) {
      const parents = component.parents.join(', ');
      throw new BackhaulError('BH-E-ID-UNKNOWN', { detail: `${identity.id} is registered below ${parents}` });
    }
    return component;
  }

  /** Called with the id of each component that is revoked, after the commit. */
  onRevoked(listener: (id: string) => void): void {
    this.#revocationListeners.push(listener);
  }

  async addCustomer(name: string): Promise<Customer> {
    const { clock, random } = this.#options;
    return this.change(async (tx) => {
      const customer = {
        id: freshId(random, (id) => this.snapshot.customers.some((c) => c.id === id)),
        name,
        createdAt: clock.now(),
      };
      await tx.db
        .insertInto('customers')
        .values({ ...customer, customer: customer.id, site: null, instance: null, class: null })
        .execute();
      return customer;
    });
  }

  /** Adding what is there is no change. @throws BH-E-NOT-FOUND, BH-E-CONFLICT when the name names a group of somebody else */
  async addSite(customer: string, name: string): Promise<Site> {
    return this.change(async (tx) => {
      this.#knownCustomer(customer);
      const known = this.snapshot.sites.find((site) => site.customer === customer && site.name === name);
      if (known) return known;
      this.#freeGroupName(name);
      const site = { customer, name, createdAt: this.#options.clock.now() };
      await tx.db
        .insertInto('sites')
        .values({ ...site, site: name, instance: null, class: null })
        .execute();
      return site;
    });
  }

  /**
   * Makes sure that a site has so many MLMs and proxies, and returns those: what is there and not revoked first, then new
   * ones. Proxies hang below the site's MLMs in turn. @throws BH-E-NOT-FOUND, BH-E-TARGET for an unknown parent
   */
  async ensureComponents(request: NewComponents): Promise<ComponentRecord[]> {
    return this.change(async (tx) => {
      const top = request.parent ?? this.#options.self.id;
      this.#knownSite(request.customer, request.site);
      if (top !== this.#options.self.id && this.tree.get(top)?.kind !== 'mlm')
        throw new BackhaulError('BH-E-TARGET', { detail: `parent ${top} is no MLM` });
      const mlms = await this.#ensure(tx, request, 'mlm', request.mlms, () => [top]);
      const ids = mlms.map(({ id }) => id);
      const inTurn = (index: number) => [...ids.slice(index % ids.length), ...ids.slice(0, index % ids.length)];
      const parentsOf = (index: number) =>
        ids.length === 0 ? [top] : inTurn(index).slice(0, request.redundant ? MAX_PARENTS : 1);
      const proxies = await this.#ensure(tx, request, 'proxy', request.proxies, parentsOf);
      return [...mlms, ...proxies];
    });
  }

  /**
   * Sets what a component hangs below, in order of preference. It counts here at once; the component itself goes where its
   * configuration says. @throws BH-E-NOT-FOUND, BH-E-TARGET
   */
  async setParents(id: string, parents: readonly string[]): Promise<ComponentRecord> {
    return this.change(async (tx) => {
      checkParents(this.tree, id, parents, PROVIDER);
      const [parent = this.#options.self.id, ...others] = parents;
      await tx.db.updateTable('components').set({ parent }).where('id', '=', id).execute();
      await tx.db.deleteFrom('componentParents').where('component', '=', id).execute();
      await addParents(tx, id, others);
      return { ...this.tree.get(id)!, parent, parents: [parent, ...others] };
    });
  }

  /** Refused from its next request on; everything below it stays registered. @throws BH-E-NOT-FOUND */
  async revoke(id: string): Promise<void> {
    await this.change(async (tx) => {
      if (!this.tree.get(id)) throw new BackhaulError('BH-E-NOT-FOUND', { detail: id });
      await tx.db.updateTable('components').set({ state: 'revoked' }).where('id', '=', id).execute();
      tx.afterCommit(() => {
        for (const listener of this.#revocationListeners) listener(id);
      });
    });
  }

  /** A static list. @throws BH-E-TARGET for an unknown or revoked member, BH-E-CONFLICT for the name of a site */
  async setGroup(name: string, members: readonly string[]): Promise<Group> {
    return this.change(async (tx) => {
      const components = [...new Set(members)].map((id) => this.#activeMember(id));
      if (this.snapshot.sites.some((site) => site.name === name))
        throw new BackhaulError('BH-E-CONFLICT', { detail: `${name} is the group of a site` });
      const scope = commonScope(components);
      const row = { name, kind: 'static', createdAt: this.#options.clock.now(), ...scope, instance: null, class: null };
      await tx.db.deleteFrom('groups').where('name', '=', name).execute();
      await tx.db.insertInto('groups').values(row).execute();
      for (const { id } of components)
        await tx.db.insertInto('groupMembers').values({ groupName: name, component: id }).execute();
      return { name, kind: 'static', ...scope, members: components.map(({ id }) => id) };
    });
  }

  /**
   * Who is meant, frozen now: active components that can be reached. [DESIGN §5] an unknown or empty target matches nobody.
   * @throws BH-E-TARGET
   */
  resolve(target: { component: string } | { group: string }): string[] {
    const members =
      'component' in target ? this.#oneMember(target.component) : (this.snapshot.group(target.group)?.members ?? []);
    if (members.length === 0) {
      throw new BackhaulError('BH-E-TARGET', {
        detail: 'component' in target ? target.component : `group ${target.group}`,
      });
    }
    return [...members];
  }

  /** One transaction that leaves directory, memberships and memory in step. */
  async change<T>(work: (tx: Transaction) => Promise<T>): Promise<T> {
    const { database, self, downward } = this.#options;
    return database.transaction(async (tx) => {
      const result = await work(tx);
      const snapshot = await loadDirectory(tx.db, self.id);
      await pushMemberships(tx, snapshot, downward);
      tx.afterCommit(() => (this.#snapshot = snapshot));
      return result;
    });
  }

  async #ensure(
    tx: Transaction,
    { customer, site }: NewComponents,
    kind: 'mlm' | 'proxy',
    count: number,
    parentsOf: (index: number) => readonly string[],
  ): Promise<ComponentRecord[]> {
    const all = this.tree.all().filter((component) => component.customer === customer && component.kind === kind);
    const list = all.filter((component) => component.site === site && component.state === 'active').slice(0, count);
    for (let added = 0; list.length < count; added++) {
      const parents = parentsOf(list.length);
      const row = {
        ...{ id: componentId(customer, kind, all.length + added + 1), kind, customer, site, parent: parents[0]! },
        ...{ state: 'active' as const, createdAt: this.#options.clock.now() },
      };
      const record: ComponentRecord = { ...row, parents };
      await tx.db
        .insertInto('components')
        .values({ ...row, lastHeardAt: null, membershipVersion: 0, membershipHash: '', instance: null, class: null })
        .execute();
      await addParents(tx, record.id, parents.slice(1));
      list.push(record);
    }
    return list;
  }

  #knownCustomer(id: string): void {
    if (!this.snapshot.customers.some((customer) => customer.id === id))
      throw new BackhaulError('BH-E-NOT-FOUND', { detail: `customer ${id}` });
  }

  #knownSite(customer: string, name: string): void {
    const known = this.snapshot.sites.some((site) => site.customer === customer && site.name === name);
    if (!known) throw new BackhaulError('BH-E-NOT-FOUND', { detail: `site ${name} of ${customer}` });
  }

  /** A site's name is also its group's, and groups are known by name alone. */
  #freeGroupName(name: string): void {
    if (this.snapshot.groups().some((group) => group.name === name)) {
      throw new BackhaulError('BH-E-CONFLICT', {
        detail: `${name} names a group already; choose another name for the site`,
      });
    }
  }

  #activeMember(id: string): ComponentRecord {
    const component = this.tree.get(id);
    if (component?.state !== 'active') throw new BackhaulError('BH-E-TARGET', { detail: id });
    return component;
  }

  #oneMember(id: string): string[] {
    return this.tree.get(id)?.state === 'active' ? [id] : [];
  }
}

async function addParents(tx: Transaction, component: string, parents: readonly string[]): Promise<void> {
  for (const [index, parent] of parents.entries())
    await tx.db
      .insertInto('componentParents')
      .values({ component, rank: index + 1, parent })
      .execute();
}

function freshId(random: Random, taken: (id: string) => boolean): string {
  for (;;) {
    const id = newCustomerId(random);
    if (CUSTOMER_PATTERN.test(id) && !taken(id)) return id;
  }
}

function commonScope(components: readonly ComponentRecord[]): { customer: string; site: string | null } {
  const [first] = components;
  const oneCustomer = first !== undefined && components.every((c) => c.customer === first.customer);
  if (!oneCustomer) return { customer: PROVIDER, site: null };
  return { customer: first.customer, site: components.every((c) => c.site === first.site) ? first.site : null };
}
