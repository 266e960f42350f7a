import { globSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

export const ROOT = dirname(dirname(dirname(fileURLToPath(import.meta.url))));
export const PACKAGES = ['runtime', 'envelope', 'identity', 'spool', 'transport', 'modules', 'testkit', 'cli'] as const;
export const PROGRAMS = ['proxy', 'mlm', 'appserver', 'certs'] as const;

export interface SourceFile {
  /** relative to the root */
  readonly path: string;
  /** `runtime` … `cli`, `proxy` … `certs` */
  readonly part: string;
  readonly text: string;
}

/** Every source file of every package and program; tests are not among them. */
export function sourceFiles(): SourceFile[] {
  return [
    ...PACKAGES.map((name) => ({ part: name as string, folder: `packages/${name}` })),
    ...PROGRAMS.map((name) => ({ part: name as string, folder: name as string })),
  ].flatMap(({ part, folder }) =>
    globSync(`${folder}/src/**/*.ts`, { cwd: ROOT }).map((path) => ({
      path,
      part,
      text: readFileSync(join(ROOT, path), 'utf8'),
    })),
  );
}

/** What a file imports, types too: `./x.ts`, `@backhaul/spool`, `node:fs`, `zod`. */
export function importsOf(text: string): string[] {
  const withoutComments = text.replace(/\/\*[\s\S]*?\*\//g, '').replace(/^\s*\/\/.*$/gm, '');
  return [
    ...withoutComments.matchAll(
      /(?:^|[\s;])(?:import|export)\s[^'"`;]*?from\s*['"]([^'"]+)['"]|(?:^|[\s;(=])import\s*\(?\s*['"]([^'"]+)['"]/g,
    ),
  ].map((match) => (match[1] ?? match[2])!);
}
