import type { ZodType } from 'zod';

/** What configuration reading needs to know of a schema, under its wrappers (default, optional, pipe …). */
export type SchemaShape =
  | { kind: 'object'; keys: ReadonlyMap<string, ZodType>; open: boolean }
  | { kind: 'list'; element: ZodType }
  | { kind: 'record'; value: ZodType }
  | { kind: 'choice'; options: readonly ZodType[] }
  | { kind: 'value'; type: string };

export interface ReadSchema {
  readonly shape: SchemaShape;
  readonly description: string | undefined;
  readonly default: unknown;
  readonly optional: boolean;
}

/** The part of zod's schema definitions that is read here. */
interface Definition {
  readonly type: string;
  readonly innerType?: ZodType;
  readonly in?: ZodType;
  readonly out?: ZodType;
  readonly getter?: () => ZodType;
  readonly defaultValue?: unknown;
  readonly shape?: Record<string, ZodType>;
  readonly catchall?: ZodType;
  readonly element?: ZodType;
  readonly valueType?: ZodType;
  readonly options?: readonly ZodType[];
  readonly entries?: Record<string, string>;
  readonly values?: readonly unknown[];
  readonly format?: string;
}

const OPTIONAL = new Set(['optional', 'default', 'prefault', 'catch']);

export function readSchema(schema: ZodType): ReadSchema {
  let description: string | undefined;
  let fallback: unknown;
  let optional = false;
  let current = schema;
  for (;;) {
    const definition = definitionOf(current);
    description ??= current.description;
    fallback ??= definition.defaultValue;
    optional ||= OPTIONAL.has(definition.type);
    const inner = unwrap(definition);
    if (inner === undefined) return { shape: shapeOf(definition), description, default: fallback, optional };
    current = inner;
  }
}

function definitionOf(schema: ZodType): Definition {
  return schema._zod.def as unknown as Definition;
}

function unwrap(definition: Definition): ZodType | undefined {
  if (definition.type === 'lazy') return definition.getter?.();
  if (definition.type !== 'pipe') return definition.innerType;
  return definition.in !== undefined && definitionOf(definition.in).type === 'transform'
    ? definition.out
    : definition.in;
}

function shapeOf(definition: Definition): SchemaShape {
  switch (definition.type) {
    case 'object':
      return { kind: 'object', keys: new Map(Object.entries(definition.shape ?? {})), open: isOpen(definition) };
    case 'array':
      return { kind: 'list', element: definition.element! };
    case 'record':
      return { kind: 'record', value: definition.valueType! };
    case 'union':
      return { kind: 'choice', options: definition.options ?? [] };
    default:
      return { kind: 'value', type: typeName(definition) };
  }
}

/** Plain and strict objects are closed here: an unknown key is always a mistake. */
function isOpen(definition: Definition): boolean {
  return definition.catchall !== undefined && definitionOf(definition.catchall).type !== 'never';
}

function typeName(definition: Definition): string {
  if (definition.type === 'enum') return Object.values(definition.entries ?? {}).join(' | ');
  if (definition.type === 'literal') return (definition.values ?? []).join(' | ');
  return definition.type === 'int' ? 'number' : definition.type;
}
