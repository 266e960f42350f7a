import fc from 'fast-check';

export type Command<Model extends object, Real> = fc.AsyncCommand<Model, Real>;

/** A step that is always possible. `name` is what a counterexample shows. */
export function command<Model extends object, Real>(
  name: string,
  run: (model: Model, real: Real) => Promise<void>,
): Command<Model, Real> {
  return { check: () => true, run, toString: () => name };
}

/** Any sequence of commands; `MODEL_RUNS=20000` for a night. A failure tells the seed and the shortest sequence. */
export function assertModel<Model extends object, Real>(
  commands: fc.Arbitrary<Command<Model, Real>>[],
  setup: () => Promise<{ model: Model; real: Real }>,
): Promise<void> {
  return fc.assert(
    fc.asyncProperty(fc.commands(commands, { maxCommands: 60, size: 'max' }), (sequence) =>
      fc.asyncModelRun(setup, sequence),
    ),
    { numRuns: Number(process.env['MODEL_RUNS'] ?? 200) },
  );
}
