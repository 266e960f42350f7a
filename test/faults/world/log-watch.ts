import { globSync, readFileSync } from 'node:fs';
import { basename, join } from 'node:path';

const MOST = 20;
/** [I11] an error nobody caught, or one that has no code of its own. */
const MISHAP = /uncaught error|BH-E-INTERNAL|did not stop in time|FATAL ERROR|Segmentation/;

/** Lines of the roles' logs that must not be there. */
export function readLogs(folder: string): string[] {
  return globSync(join(folder, '*.{jsonl,log}'))
    .flatMap((path) =>
      readFileSync(path, 'utf8')
        .split('\n')
        .filter((line) => MISHAP.test(line))
        .map((line) => `${basename(path)}: ${line.slice(0, 1_000)}`),
    )
    .slice(0, MOST);
}
