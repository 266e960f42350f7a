import { jsonData } from '@backhaul/envelope';
import { commitChanges, type Store } from '@backhaul/spool';
import type { Draft, Outbox } from '@backhaul/transport';
import { ownMessage } from '../outbox/own-message.ts';
import type { Directory, Registration } from './directory.ts';
import type { InstanceRecord, InstanceRequest, IntegratorRecord, IntegratorRequest } from './directory-records.ts';

/** Registers integrators and support instances, one after the other: the record and the message that tells of it in one commit. */
export class Registrar {
  readonly #directory: Directory;
  readonly #outbox: Outbox;
  readonly #store: Store;
  #tail: Promise<unknown> = Promise.resolve();

  constructor(options: { directory: Directory; outbox: Outbox; store: Store }) {
    this.#directory = options.directory;
    this.#outbox = options.outbox;
    this.#store = options.store;
  }

  registerIntegrator(request: IntegratorRequest): Promise<IntegratorRecord> {
    return this.#inTurn(() => this.#record(this.#directory.stageIntegrator(request), integratorMessage));
  }

  registerInstance(request: InstanceRequest): Promise<InstanceRecord> {
    return this.#inTurn(() => this.#record(this.#directory.stageInstance(request), instanceMessage));
  }

  async #record<T>({ record, change }: Registration<T>, message: (record: T) => Draft): Promise<T> {
    if (change === undefined) return record;
    await commitChanges(this.#store, [change, ...this.#outbox.stage([message(record)]).changes]);
    return record;
  }

  #inTurn<T>(action: () => Promise<T>): Promise<T> {
    const next = this.#tail.then(action);
    this.#tail = next.catch(() => {});
    return next;
  }
}

function integratorMessage({ id, platform, name, version }: IntegratorRecord): Draft {
  return ownMessage('infrastructure', 'registration', jsonData({ kind: 'integrator', id, platform, name, version }));
}

function instanceMessage({ id, integrator, platform, managementId, name }: InstanceRecord): Draft {
  const content = jsonData({ kind: 'instance', id, integrator, platform, managementId, name });
  return ownMessage('infrastructure', 'registration', content, { instance: id });
}
