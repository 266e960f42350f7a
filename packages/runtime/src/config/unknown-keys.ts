import type { ZodType } from 'zod';
import { type ConfigPath, isPlainObject } from './config-path.ts';
import { nearMatch } from './near-match.ts';
import { readSchema } from './schema-shape.ts';

export interface UnknownKey {
  readonly path: ConfigPath;
  readonly near: string | undefined;
}

/** Keys of `value` that the schema does not know, at any depth. */
export function unknownKeys(schema: ZodType, value: unknown, path: ConfigPath = []): UnknownKey[] {
  const { shape } = readSchema(schema);
  if (shape.kind === 'list' && Array.isArray(value)) {
    return value.flatMap((entry, i) => unknownKeys(shape.element, entry, [...path, i]));
  }
  if (!isPlainObject(value)) return [];
  if (shape.kind === 'record') {
    return Object.entries(value).flatMap(([key, entry]) => unknownKeys(shape.value, entry, [...path, key]));
  }
  if (shape.kind === 'choice') return fewest(shape.options.map((option) => unknownKeys(option, value, path)));
  if (shape.kind !== 'object') return [];
  return Object.entries(value).flatMap(([key, entry]) => {
    const child = shape.keys.get(key);
    if (child !== undefined) return unknownKeys(child, entry, [...path, key]);
    return shape.open ? [] : [{ path: [...path, key], near: nearMatch(key, [...shape.keys.keys()]) }];
  });
}

function fewest(results: UnknownKey[][]): UnknownKey[] {
  return results.toSorted((a, b) => a.length - b.length)[0] ?? [];
}
