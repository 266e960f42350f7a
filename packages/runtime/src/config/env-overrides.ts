import { parse } from 'yaml';
import type { ZodType } from 'zod';
import { BackhaulError } from '../errors.ts';
import { type ConfigPath, isPlainObject } from './config-path.ts';
import { nearMatch } from './near-match.ts';
import { readSchema } from './schema-shape.ts';

const PREFIX = 'BACKHAUL_';

/**
 * `BACKHAUL_LOG__LEVEL=debug` sets `log.level`. Segments are compared without case and `_`; a number is a list position.
 * A name with `__` that fits no key is refused; one without may belong to something else and is left alone.
 */
export function applyEnvironment(schema: ZodType, value: unknown, env: NodeJS.ProcessEnv): unknown {
  let result = value;
  for (const [name, text] of Object.entries(env).toSorted(([a], [b]) => (a < b ? -1 : 1))) {
    if (!name.startsWith(PREFIX) || text === undefined) continue;
    const segments = name.slice(PREFIX.length).split('__');
    const target = findTarget(schema, segments, name);
    if (target !== undefined) result = setAt(result, target.path, readText(target.schema, text, name));
  }
  return result;
}

interface Target {
  readonly schema: ZodType;
  readonly path: ConfigPath;
}

function findTarget(schema: ZodType, segments: string[], name: string): Target | undefined {
  let target: Target = { schema, path: [] };
  for (const segment of segments) {
    const next = step(target, segment);
    if ('schema' in next) target = next;
    else if (segments.length === 1) return undefined;
    else throw unknownVariable(name, segment, next.known);
  }
  return target;
}

function step({ schema, path }: Target, segment: string): Target | { known: string[] } {
  const { shape } = readSchema(schema);
  if (shape.kind === 'list' && /^\d{1,4}$/.test(segment))
    return { schema: shape.element, path: [...path, Number(segment)] };
  if (shape.kind === 'record') return { schema: shape.value, path: [...path, segment.toLowerCase()] };
  const keys = shape.kind === 'object' ? shape.keys : choiceKeys(schema);
  for (const [key, child] of keys) if (plain(key) === plain(segment)) return { schema: child, path: [...path, key] };
  return { known: [...keys.keys()] };
}

function choiceKeys(schema: ZodType): ReadonlyMap<string, ZodType> {
  const { shape } = readSchema(schema);
  if (shape.kind === 'object') return shape.keys;
  if (shape.kind !== 'choice') return new Map();
  return new Map(shape.options.flatMap((option) => [...choiceKeys(option)]));
}

function plain(name: string): string {
  return name.toLowerCase().replaceAll(/[_-]/g, '');
}

function unknownVariable(name: string, segment: string, known: string[]): BackhaulError {
  const near = nearMatch(plain(segment), known);
  const hint = near === undefined ? '' : `; did you mean ${near}?`;
  return new BackhaulError('BH-E-CONFIG', { detail: `environment variable ${name}: ${segment} fits no key${hint}` });
}

/** Text stays text where the schema wants text; everything else is read as YAML (numbers, true, [a, b], {k: v}). */
function readText(schema: ZodType, text: string, name: string): unknown {
  const { shape } = readSchema(schema);
  const isText = shape.kind === 'value' && shape.type !== 'number' && shape.type !== 'boolean';
  if (isText) return text;
  try {
    return parse(text);
  } catch (cause) {
    throw new BackhaulError('BH-E-CONFIG', { detail: `environment variable ${name} is not YAML`, cause });
  }
}

function setAt(value: unknown, path: ConfigPath, leaf: unknown): unknown {
  const [first, ...rest] = path;
  if (first === undefined) return leaf;
  if (typeof first === 'number') {
    const list = Array.isArray(value) ? [...value] : [];
    list[first] = setAt(list[first], rest, leaf);
    return list;
  }
  const object = isPlainObject(value) ? value : {};
  return { ...object, [first]: setAt(object[first], rest, leaf) };
}
