import { BackhaulError, type Clock } from '@backhaul/runtime';
import type { Change, Op, Store } from '@backhaul/spool';
import type { InstanceRecord, InstanceRequest, IntegratorRecord, IntegratorRequest } from './directory-records.ts';

const INTEGRATORS = 'directory/integrator/';
const INSTANCES = 'directory/instance/';

export interface DirectoryOptions {
  /** component ID of the proxy, from which the IDs derive */
  readonly self: string;
  readonly store: Store;
  readonly clock: Clock;
  readonly maxIntegrators: number;
  readonly maxInstances: number;
}

/** A registration: the record, and the change that makes it last. No change when it is known exactly so already. */
export interface Registration<T> {
  readonly record: T;
  readonly change: Change | undefined;
}

/**
 * Who feeds this proxy and what is looked after: integrators and support instances, with the mapping from a platform's own
 * ID to the remote-services ID. The same name or management ID always gives the same ID; an ID is never given twice.
 * Registrations run one after the other (their caller sees to it), so that two of the same do not cross.
 */
export class Directory {
  readonly #options: DirectoryOptions;
  #known = noneKnown();

  constructor(options: DirectoryOptions) {
    this.#options = options;
  }

  async load(): Promise<void> {
    const known = noneKnown();
    for await (const [, value] of this.#options.store.scan(INTEGRATORS)) addIntegrator(known, decode(value));
    for await (const [, value] of this.#options.store.scan(INSTANCES)) addInstance(known, decode(value));
    this.#known = known; // whole: who asks meanwhile is told what was known before
  }

  integrator(id: string): IntegratorRecord | undefined {
    return this.#known.integrators.get(id);
  }

  instance(id: string): InstanceRecord | undefined {
    return this.#known.instances.get(id);
  }

  integrators(): readonly IntegratorRecord[] {
    return [...this.#known.integrators.values()];
  }

  instances(): readonly InstanceRecord[] {
    return [...this.#known.instances.values()];
  }

  /** Throws BH-E-BUSY when too many have registered. */
  stageIntegrator(request: IntegratorRequest): Registration<IntegratorRecord> {
    const known = this.#known.integrators.get(this.#known.integratorByName.get(nameKey(request)) ?? '');
    if (known === undefined && this.#known.integrators.size >= this.#options.maxIntegrators)
      throw tooMany('integrators', this.#options.maxIntegrators);
    const record = {
      id: known?.id ?? this.#newId('i', this.#known.integrators.size),
      ...request,
      registeredAt: known?.registeredAt ?? this.#options.clock.now(),
    };
    return registration(record, known, INTEGRATORS, () => addIntegrator(this.#known, record));
  }

  /** Throws BH-E-NOT-FOUND for an unknown integrator, BH-E-BUSY when too many have registered. */
  stageInstance(request: InstanceRequest): Registration<InstanceRecord> {
    if (!this.#known.integrators.has(request.integrator))
      throw new BackhaulError('BH-E-NOT-FOUND', { detail: `integrator ${request.integrator}` });
    const known = this.#known.instances.get(this.#known.instanceByManagementId.get(managementKey(request)) ?? '');
    if (known === undefined && this.#known.instances.size >= this.#options.maxInstances)
      throw tooMany('support instances', this.#options.maxInstances);
    const record = {
      id: known?.id ?? this.#newId('s', this.#known.instances.size),
      ...request,
      labels: request.labels ?? {},
      registeredAt: known?.registeredAt ?? this.#options.clock.now(),
    };
    return registration(record, known, INSTANCES, () => addInstance(this.#known, record));
  }

  /** Records are never removed, so the number of them is the highest number given. */
  #newId(letter: 'i' | 's', given: number): string {
    return `${this.#options.self}.${letter}${given + 1}`;
  }
}

const noneKnown = () => ({
  integrators: new Map<string, IntegratorRecord>(),
  instances: new Map<string, InstanceRecord>(),
  integratorByName: new Map<string, string>(),
  instanceByManagementId: new Map<string, string>(),
});

type Known = ReturnType<typeof noneKnown>;

function addIntegrator({ integrators, integratorByName }: Known, record: IntegratorRecord): void {
  integrators.set(record.id, record);
  integratorByName.set(nameKey(record), record.id);
}

function addInstance({ instances, instanceByManagementId }: Known, record: InstanceRecord): void {
  instances.set(record.id, record);
  instanceByManagementId.set(managementKey(record), record.id);
}

function registration<T extends { id: string }>(
  record: T,
  known: T | undefined,
  prefix: string,
  add: () => void,
): Registration<T> {
  const value = Buffer.from(JSON.stringify(record));
  if (known !== undefined && sameRecord(record, known)) return { record: known, change: undefined };
  const ops: Op[] = [{ type: 'put', key: `${prefix}${record.id}`, value }];
  return { record, change: { ops, applied: add } };
}

/** Same content, in whatever order the fields stand. */
function sameRecord(a: object, b: object): boolean {
  return canonical(a) === canonical(b);
}

function canonical(value: unknown): string {
  return JSON.stringify(value, (_, inner: unknown) =>
    typeof inner === 'object' && inner !== null && !Array.isArray(inner)
      ? Object.fromEntries(Object.entries(inner).toSorted(([a], [b]) => (a < b ? -1 : 1)))
      : inner,
  );
}

function decode<T>(value: Uint8Array): T {
  return JSON.parse(Buffer.from(value).toString()) as T;
}

const nameKey = ({ platform, name }: { platform: string; name: string }) => `${platform}/${name}`;
const managementKey = ({ platform, managementId }: { platform: string; managementId: string }) =>
  `${platform}/${managementId}`;

function tooMany(what: string, limit: number): BackhaulError {
  return new BackhaulError('BH-E-BUSY', { detail: `at most ${limit} ${what} may register (api settings)` });
}
