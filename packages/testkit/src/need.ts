import { accessSync, appendFileSync, constants, existsSync } from 'node:fs';
import { delimiter, join } from 'node:path';

/** What `this` of a mocha hook or test offers that is used here. */
interface SkippableContext {
  skip(): never;
}

export type Need = 'program' | 'root' | 'path';

/**
 * Says what a test cannot do without. Where it is not there the test is not run, and the reason goes to the list that
 * `npm test` prints at its end (*not run here, because*); under `.ci/run` a non-empty list fails.
 */
export function need(context: SkippableContext, kind: Need, name: string): void {
  const reason = missing(kind, name);
  if (reason === undefined) return;
  const list = process.env['BACKHAUL_NOT_RUN'];
  if (list) appendFileSync(list, `${JSON.stringify({ kind, name, reason })}\n`);
  context.skip();
}

function missing(kind: Need, name: string): string | undefined {
  if (kind === 'root') return process.getuid?.() === 0 ? undefined : `${name} needs root`;
  if (kind === 'path') return existsSync(name) ? undefined : `there is no ${name}`;
  return programPath(name) === undefined ? `the program ${name} is not installed` : undefined;
}

/** Where a program stands in PATH; undefined when it is not there. */
export function programPath(name: string): string | undefined {
  for (const folder of (process.env['PATH'] ?? '').split(delimiter)) {
    const path = join(folder, name);
    try {
      accessSync(path, constants.X_OK);
      return path;
    } catch {
      // the next folder
    }
  }
  return undefined;
}
