import type { AbstractLevel } from 'abstract-level';
import { isDamage } from './level-errors.ts';

export type Database = AbstractLevel<string | Buffer | Uint8Array, string, Buffer>;

export interface Range {
  readonly gte?: string;
  readonly gt?: string;
  readonly lt?: string;
  readonly limit?: number;
}

const PAGE_KEYS = 64;

/**
 * Keys and values of a range, page by page. LevelDB passes over a damaged block, says so only at the very end, and then keeps back
 * the last page; so that page is read again key by key, and `onDamage` is told.
 */
export async function* scanPages(
  database: Database,
  range: Range,
  onDamage: (error: unknown) => void,
): AsyncGenerator<[string, Buffer][]> {
  let left = range.limit ?? Number.POSITIVE_INFINITY;
  let from: Range = range;
  for (let pageKeys = PAGE_KEYS; ; pageKeys = 1) {
    const iterator = database.iterator({ ...from, limit: Number.isFinite(left) ? left : -1 });
    try {
      for (let page = await iterator.nextv(pageKeys); page.length > 0; page = await iterator.nextv(pageKeys)) {
        yield page as [string, Buffer][];
        left -= page.length;
        from = { gt: page.at(-1)![0], ...(range.lt === undefined ? {} : { lt: range.lt }) };
      }
      return;
    } catch (error) {
      if (!isDamage(error)) throw error;
      if (pageKeys === 1) return;
      onDamage(error);
    } finally {
      await iterator.close();
    }
  }
}
