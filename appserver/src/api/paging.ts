import { BackhaulError } from '@backhaul/runtime';
import { z } from 'zod';

export const PAGE_LIMIT = 500;
const DEFAULT_LIMIT = 100;

/** Query parameters of every list. */
export const pageQuery = z.strictObject({
  cursor: z.string().max(512).optional().meta({ description: 'nextCursor of the page before' }),
  limit: z.coerce
    .number()
    .int()
    .min(1)
    .max(PAGE_LIMIT)
    .default(DEFAULT_LIMIT)
    .meta({ description: `items of one page, 1 to ${PAGE_LIMIT}` }),
});
export type Page = z.output<typeof pageQuery>;

/** A list as every route answers it; `nextCursor` is null on the last page. */
export const pageOf = <S extends z.ZodType>(item: S) =>
  z.strictObject({ items: z.array(item), nextCursor: z.string().nullable() });

export interface Paged<T> {
  items: T[];
  nextCursor: string | null;
}

/** Rows read with `limit + 1`: the one too many says that there is a next page, which begins after `keyOf(last)`. */
export function toPage<R, T>(
  rows: readonly R[],
  { limit }: Page,
  keyOf: (row: R) => readonly (string | number)[],
  item: (row: R) => T,
): Paged<T> {
  const shown = rows.slice(0, limit);
  const more = rows.length > limit;
  return { items: shown.map(item), nextCursor: more ? encode(keyOf(shown.at(-1)!)) : null };
}

/** The key in a cursor. @throws BH-E-QUERY for a cursor that did not come from here */
export function readCursor<S extends z.ZodType>({ cursor }: Page, key: S): z.output<S> | undefined {
  if (cursor === undefined) return undefined;
  try {
    return key.parse(JSON.parse(Buffer.from(cursor, 'base64url').toString('utf8')));
  } catch (cause) {
    throw new BackhaulError('BH-E-QUERY', { detail: 'cursor', cause });
  }
}

/** Cursors of lists sorted by one text. */
export const textKey = z.tuple([z.string()]);
export const numberKey = z.tuple([z.number().int()]);

const encode = (key: readonly (string | number)[]): string => Buffer.from(JSON.stringify(key)).toString('base64url');
