/** A part of a role. Constructors do nothing; `start` may fail; `stop` works twice and without `start`. */
export interface Component {
  readonly name: string;
  start(): Promise<void>;
  stop(): Promise<void>;
}

/** Starts in the order given (from the far end back to the source). When one fails, what had started is stopped. */
export async function startAll(components: readonly Component[]): Promise<void> {
  const started: Component[] = [];
  try {
    for (const component of components) {
      await component.start();
      started.push(component);
    }
  } catch (error) {
    await stopAll(started);
    throw error;
  }
}

/** Stops in the opposite order (from the source on). One that fails does not keep the others from stopping. */
export async function stopAll(components: readonly Component[]): Promise<void> {
  const failures: unknown[] = [];
  for (const component of components.toReversed()) {
    await component.stop().catch((error) => failures.push(error));
  }
  if (failures.length > 0) throw new AggregateError(failures, 'some parts did not stop cleanly');
}
