import { join } from 'node:path';
import { type TemporaryDirectory, temporaryDirectory } from '@backhaul/testkit';
import { expect } from 'chai';
import fc from 'fast-check';
import { listMessages, MESSAGE_FILTERS, type MessageFilter } from '../src/queries/messages.ts';
import { listAlarms } from '../src/service-modules/alarms.ts';
import { builtInModules } from '../src/service-modules/built-in-modules.ts';
import { allMigrations } from '../src/store/all-migrations.ts';
import { EVERYTHING, type Grant, NOTHING, type Scope } from '../src/store/scope.ts';
import { ScopedQueries } from '../src/store/scoped-queries.ts';
import { SqliteDatabase } from '../src/store/sqlite-database.ts';

const CUSTOMERS = ['ca', 'cb', 'cc'];
const SITES = ['s1', 's2', null];
const INSTANCES = ['i1', 'i2', null];
const CLASSES = ['alarms', 'inventory'];

interface Row {
  id: string;
  customer: string;
  site: string | null;
  instance: string | null;
  class: string;
}

const rows: Row[] = CUSTOMERS.flatMap((customer) =>
  SITES.flatMap((site) =>
    INSTANCES.flatMap((instance) =>
      CLASSES.map((cls) => ({ id: [customer, site, instance, cls].join('/'), customer, site, instance, class: cls })),
    ),
  ),
);

const maybe = <T>(values: readonly T[]) => fc.option(fc.constantFrom(...values), { nil: undefined });
const grant: fc.Arbitrary<Grant> = fc
  .record({
    customer: fc.constantFrom(...CUSTOMERS, 'cz'),
    site: maybe(['s1', 's2']),
    instance: maybe(['i1', 'i2']),
    class: maybe(CLASSES),
  })
  .map((all) => Object.fromEntries(Object.entries(all).filter(([, value]) => value !== undefined)) as unknown as Grant);
const scope: fc.Arbitrary<Scope> = fc.array(grant, { maxLength: 3 }).map((grants) => ({ kind: 'grants', grants }));

const visible = (one: Scope, row: Row): boolean =>
  one.kind === 'everything' ||
  one.grants.some(
    (g) =>
      g.customer === row.customer &&
      (['site', 'instance', 'class'] as const).every((field) => g[field] === undefined || g[field] === row[field]),
  );

/** What an attacker types into a field [T-A22]. */
const ATTACKS = [
  `' OR '1'='1`,
  `'; DROP TABLE "messages"; --`,
  `" OR 1=1 --`,
  `ca' UNION SELECT * FROM facts --`,
  '%',
  '_',
  '\\',
  'ca\u0000',
  `x') OR ("customer" = 'cb`,
];
const hostile = fc.oneof(
  fc.constantFrom(...ATTACKS),
  fc.string({ unit: 'binary' }).filter((text) => text.isWellFormed()),
  fc.constantFrom('ca', 's1', 'i1', 'alarms'),
);

describe('ScopedQueries', () => {
  let folder: TemporaryDirectory;
  let database: SqliteDatabase;

  before(async () => {
    folder = await temporaryDirectory();
    database = new SqliteDatabase({ path: join(folder.path, 'a.db'), migrations: allMigrations(builtInModules()) });
    await database.start();
    const rest = {
      direction: 'up',
      subclass: 'any',
      classification: 'monitoring',
      contentType: 'data',
      source: 'p',
      epoch: 'e',
      lane: 4,
      sequence: 1,
      madeAt: 1,
      receivedAt: 1,
      peer: 'm',
      eventKey: null,
      inReplyTo: null,
      note: null,
    };
    await database.transaction(async (tx) => {
      for (const row of rows)
        await tx.db
          .insertInto('messages')
          .values({ ...row, ...rest, header: Buffer.alloc(0), body: Buffer.alloc(0) })
          .execute();
    });
  });
  after(async () => {
    await database.stop();
    await folder.remove();
  });

  const idsIn = async (one: Scope): Promise<string[]> =>
    (await new ScopedQueries(database.reader, one).from('messages').select('id').execute()).map(({ id }) => id).sort();

  it('give exactly the rows that one of the grants covers', async () => {
    await fc.assert(
      fc.asyncProperty(scope, async (one) => {
        expect(await idsIn(one)).to.deep.equal(
          rows
            .filter((row) => visible(one, row))
            .map(({ id }) => id)
            .sort(),
        );
      }),
    );
  });

  it('give nothing without grants, and everything only when that is said', async () => {
    expect(await idsIn(NOTHING)).to.deep.equal([]);
    expect(await idsIn(EVERYTHING)).to.have.length(rows.length);
  });

  it('refuse a scope that is missing or malformed', () => {
    for (const wrong of [
      undefined,
      null,
      {},
      { kind: 'grants' },
      { kind: 'grants', grants: [{}] },
      { kind: 'grants', grants: [{ site: 's1' }] },
      { kind: 'all' },
    ]) {
      expect(() => new ScopedQueries(database.reader, wrong as unknown as Scope), JSON.stringify(wrong)).to.throw(
        'BH-E-FORBIDDEN',
      );
    }
  });

  it('T-A22: whatever is asked for, what comes is what a filter of the visible rows gives', async () => {
    const filter = fc.record(
      Object.fromEntries(MESSAGE_FILTERS.map((name) => [name, fc.option(hostile, { nil: undefined, freq: 3 })])),
    ) as fc.Arbitrary<MessageFilter>;
    await fc.assert(
      fc.asyncProperty(scope, filter, async (one, wanted) => {
        const { items } = await listMessages(new ScopedQueries(database.reader, one), wanted, { limit: 500 });
        const columns = { direction: 'up', subclass: 'any', source: 'p' };
        const matches = (row: Row) =>
          MESSAGE_FILTERS.every((name) => wanted[name] === undefined || { ...columns, ...row }[name] === wanted[name]);
        expect(items.map(({ id }) => id).sort()).to.deep.equal(
          rows
            .filter((row) => visible(one, row) && matches(row))
            .map(({ id }) => id)
            .sort(),
        );
      }),
      { numRuns: 300 },
    );
  });

  it('T-A22: a scope with hostile names sees nothing of others', async () => {
    await fc.assert(
      fc.asyncProperty(hostile, hostile, async (customer, site) => {
        const one: Scope = { kind: 'grants', grants: [{ customer, site }] };
        expect(await idsIn(one)).to.deep.equal(
          rows
            .filter((row) => visible(one, row))
            .map(({ id }) => id)
            .sort(),
        );
      }),
    );
  });

  it('T-A22: a hostile cursor is refused, not run', async () => {
    for (const text of [
      ...ATTACKS,
      Buffer.from(`["x' OR 1=1"]`).toString('base64url'),
      Buffer.from('[1,2,3,4,5]').toString('base64url'),
      'AAAA',
    ]) {
      const queries = new ScopedQueries(database.reader, EVERYTHING);
      for (const list of [
        () => listMessages(queries, {}, { limit: 5, cursor: text }),
        () => listAlarms(queries, { limit: 5, cursor: text }),
      ]) {
        expect(
          await list().then(
            () => 'answered',
            (error) => error.code,
          ),
          text,
        ).to.equal('BH-E-QUERY');
      }
    }
  });

  it('pages through everything once, in order, whatever the size of a page', async () => {
    await fc.assert(
      fc.asyncProperty(fc.integer({ min: 1, max: 20 }), async (limit) => {
        const seen: string[] = [];
        let cursor: string | undefined;
        do {
          const page = await listMessages(
            new ScopedQueries(database.reader, EVERYTHING),
            {},
            { limit, ...(cursor ? { cursor } : {}) },
          );
          seen.push(...page.items.map(({ id }) => id));
          cursor = page.nextCursor ?? undefined;
        } while (cursor);
        expect(seen).to.deep.equal(rows.map(({ id }) => id).toReversed());
      }),
      { numRuns: 10 },
    );
  });
});
