import type { ZodType } from 'zod';
import { readSchema, type SchemaShape } from './schema-shape.ts';

export interface ConfigKey {
  /** `parents[].url`, `modules.<name>.rate` */
  readonly key: string;
  readonly type: string;
  /** undefined: none */
  readonly default: unknown;
  readonly required: boolean;
  readonly description: string | undefined;
}

/** Every key of a role's configuration, for documentation and its checks. */
export function configKeys(schema: ZodType): ConfigKey[] {
  return keysBelow(schema, '', true);
}

function keysBelow(schema: ZodType, key: string, required: boolean): ConfigKey[] {
  const read = readSchema(schema);
  const below = childrenOf(read.shape, key);
  const own: ConfigKey = {
    key,
    type: typeOf(read.shape),
    default: read.default,
    required: required && !read.optional,
    description: read.description,
  };
  const listed = key !== '' && read.shape.kind !== 'object' && !key.endsWith(']') && !key.endsWith('>');
  return [...(listed || (below.length === 0 && key !== '') ? [own] : []), ...below];
}

function childrenOf(shape: SchemaShape, key: string): ConfigKey[] {
  const dot = key === '' ? '' : `${key}.`;
  switch (shape.kind) {
    case 'object':
      return [...shape.keys].flatMap(([name, child]) => keysBelow(child, `${dot}${name}`, true));
    case 'list':
      return hasParts(shape.element) ? keysBelow(shape.element, `${key}[]`, true) : [];
    case 'record':
      return hasParts(shape.value) ? keysBelow(shape.value, `${dot}<name>`, true) : [];
    case 'choice':
      return uniqueByKey(shape.options.filter(hasParts).flatMap((option) => keysBelow(option, key, true)));
    default:
      return [];
  }
}

function hasParts(schema: ZodType): boolean {
  return readSchema(schema).shape.kind !== 'value';
}

function typeOf(shape: SchemaShape): string {
  switch (shape.kind) {
    case 'list':
      return `list of ${typeOf(readSchema(shape.element).shape)}`;
    case 'record':
      return `map of ${typeOf(readSchema(shape.value).shape)}`;
    case 'choice':
      return [...new Set(shape.options.map((option) => typeOf(readSchema(option).shape)))].join(' | ');
    case 'value':
      return shape.type;
    default:
      return 'object';
  }
}

/** A key that several choices have is listed once, with the types and the meanings of all. */
function uniqueByKey(keys: ConfigKey[]): ConfigKey[] {
  const alike = Map.groupBy(keys, ({ key }) => key);
  return [...alike.values()].map((same) => ({
    ...same.at(-1)!,
    type: joined(
      same.flatMap(({ type }) => type.split(' | ')),
      ' | ',
    )!,
    description: joined(
      same.map(({ description }) => description),
      '; ',
    ),
  }));
}

function joined(parts: readonly (string | undefined)[], separator: string): string | undefined {
  const different = new Set(parts.filter((part) => part !== undefined));
  return different.size === 0 ? undefined : [...different].join(separator);
}
