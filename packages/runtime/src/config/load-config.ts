import { readFileSync } from 'node:fs';
import { basename } from 'node:path';
import { type Document, isMap, isPair, isScalar, LineCounter, parseDocument } from 'yaml';
import type { ZodType, z } from 'zod';
import { BackhaulError } from '../errors.ts';
import { type ConfigPath, isPlainObject, pathText } from './config-path.ts';
import { applyEnvironment } from './env-overrides.ts';
import { expandValues } from './expand-values.ts';
import { unknownKeys } from './unknown-keys.ts';

export interface LoadConfigOptions {
  readonly file?: string;
  readonly env: NodeJS.ProcessEnv;
  /** Laid over file and environment, object by object. */
  readonly overrides?: object;
}

interface Source {
  readonly name: string;
  readonly value: unknown;
  readonly lineOf: (path: ConfigPath) => number | undefined;
}

/**
 * A role's settings: from the file, then the environment, then what the command line says; then checked, filled in and
 * frozen. Throws BH-E-CONFIG naming file, line and key of everything that is wrong.
 */
export function loadConfig<S extends ZodType>(schema: S, options: LoadConfigOptions): z.output<S> {
  const source = options.file === undefined ? noFile : readSource(options.file);
  const withEnvironment = applyEnvironment(schema, source.value, options.env);
  const merged = options.overrides === undefined ? withEnvironment : overlay(withEnvironment, options.overrides);
  const expanded = expandValues(merged, options.env);
  return deepFreeze(check(schema, expanded, source));
}

const noFile: Source = { name: 'configuration', value: {}, lineOf: () => undefined };

function readSource(file: string): Source {
  const lines = new LineCounter();
  const document = parseDocument(readText(file), { lineCounter: lines, prettyErrors: false, uniqueKeys: true });
  const fault = document.errors[0];
  if (fault !== undefined) {
    const { line } = lines.linePos(fault.pos[0]);
    throw new BackhaulError('BH-E-CONFIG', { detail: `${basename(file)}:${line}: not valid YAML: ${fault.message}` });
  }
  return { name: basename(file), value: toValue(document, file), lineOf: (path) => lineOf(document, lines, path) };
}

function readText(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch (cause) {
    throw new BackhaulError('BH-E-CONFIG', { detail: `${file} cannot be read`, cause });
  }
}

function toValue(document: Document, file: string): unknown {
  try {
    return document.toJS({ maxAliasCount: 100 }) ?? {};
  } catch (cause) {
    throw new BackhaulError('BH-E-CONFIG', { detail: `${basename(file)}: too many aliases`, cause });
  }
}

/** The line of the key (or list entry) that a path names, when the file holds it. */
function lineOf(document: Document, lines: LineCounter, path: ConfigPath): number | undefined {
  const last = path.at(-1);
  const parent = path.length <= 1 ? document.contents : document.getIn(path.slice(0, -1), true);
  const pair = isMap(parent)
    ? parent.items.find((item) => isPair(item) && isScalar(item.key) && item.key.value === last)
    : undefined;
  const node = (pair?.key ?? document.getIn(path, true)) as { range?: [number, number, number] | null } | undefined;
  const start = node?.range?.[0];
  return start === undefined ? undefined : lines.linePos(start).line;
}

function check<S extends ZodType>(schema: S, value: unknown, source: Source): z.output<S> {
  const complaints = unknownKeys(schema, value).map(({ path, near }) =>
    complaint(source, path, `is unknown${near === undefined ? '' : `; did you mean ${near}?`}`),
  );
  const parsed = schema.safeParse(value);
  if (!parsed.success) {
    for (const issue of parsed.error.issues) {
      if (issue.code !== 'unrecognized_keys')
        complaints.push(complaint(source, issue.path as ConfigPath, `: ${issue.message}`));
    }
  }
  if (complaints.length > 0) throw new BackhaulError('BH-E-CONFIG', { detail: [...new Set(complaints)].join('; ') });
  return parsed.data as z.output<S>;
}

function complaint(source: Source, path: ConfigPath, what: string): string {
  const line = source.lineOf(path);
  const place = line === undefined ? source.name : `${source.name}:${line}`;
  return `${place}: ${pathText(path)}${what.startsWith(':') ? '' : ' '}${what}`;
}

function overlay(below: unknown, above: unknown): unknown {
  if (above === undefined) return below;
  if (!isPlainObject(below) || !isPlainObject(above)) return above;
  const keys = [...new Set([...Object.keys(below), ...Object.keys(above)])];
  return Object.fromEntries(keys.map((key) => [key, overlay(below[key], above[key])]));
}

function deepFreeze<T>(value: T): T {
  if (typeof value !== 'object' || value === null || Object.isFrozen(value)) return value;
  for (const entry of Object.values(value)) deepFreeze(entry);
  return Object.freeze(value);
}
