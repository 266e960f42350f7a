import { type Migration, scopeColumns } from './migrations.ts';

/** The tables that belong to no service module. */
export const CORE_MIGRATIONS: readonly Migration[] = [
  {
    owner: 'core',
    version: 1,
    statements: (t) => [
      // This store's own memory: epochs, hashed secrets
      `CREATE TABLE "facts" ("name" ${t.text} PRIMARY KEY, "value" ${t.text} NOT NULL)`,
      `CREATE TABLE "numbering" ("lane" ${t.integer} PRIMARY KEY, "last" ${t.integer} NOT NULL)`,

      // Directory
      `CREATE TABLE "customers" ("id" ${t.text} PRIMARY KEY, "name" ${t.text} NOT NULL, "createdAt" ${t.integer} NOT NULL, ${scopeColumns(t)})`,
      // the provider's own components (aggregation MLMs) stand at sites too
      `INSERT INTO "customers" ("id", "name", "createdAt", "customer") VALUES ('provider', 'Provider', 0, 'provider')`,
      `CREATE TABLE "sites" ("name" ${t.text} NOT NULL, "createdAt" ${t.integer} NOT NULL, ${scopeColumns(t)}, PRIMARY KEY ("customer", "name"))`,
      `CREATE TABLE "components" ("id" ${t.text} PRIMARY KEY, "kind" ${t.text} NOT NULL, "parent" ${t.text} NOT NULL, "state" ${t.text} NOT NULL,
        "createdAt" ${t.integer} NOT NULL, "lastHeardAt" ${t.integer}, "membershipVersion" ${t.integer} NOT NULL,
        "membershipHash" ${t.text} NOT NULL, ${scopeColumns(t)})`,
      `CREATE TABLE "groups" ("name" ${t.text} PRIMARY KEY, "kind" ${t.text} NOT NULL, "createdAt" ${t.integer} NOT NULL, ${scopeColumns(t)})`,
      `CREATE TABLE "groupMembers" ("groupName" ${t.text} NOT NULL REFERENCES "groups" ("name") ON DELETE CASCADE,
        "component" ${t.text} NOT NULL REFERENCES "components" ("id"), PRIMARY KEY ("groupName", "component"))`,

      // Messages, both directions
      `CREATE TABLE "messages" ("number" ${t.serial}, "id" ${t.text} NOT NULL, "direction" ${t.text} NOT NULL, "subclass" ${t.text} NOT NULL,
        "classification" ${t.text} NOT NULL, "contentType" ${t.text} NOT NULL, "source" ${t.text} NOT NULL, "epoch" ${t.text} NOT NULL,
        "lane" ${t.integer} NOT NULL, "sequence" ${t.integer} NOT NULL, "madeAt" ${t.integer} NOT NULL, "receivedAt" ${t.integer} NOT NULL,
        "peer" ${t.text} NOT NULL, "eventKey" ${t.text}, "inReplyTo" ${t.text}, "note" ${t.text}, "header" ${t.bytes} NOT NULL,
        "body" ${t.bytes} NOT NULL, ${scopeColumns(t)})`,
      `CREATE INDEX "messagesById" ON "messages" ("id")`,
      `CREATE INDEX "messagesByClass" ON "messages" ("class", "subclass", "number")`,
      `CREATE INDEX "messagesBySource" ON "messages" ("source", "number")`,
      `CREATE INDEX "messagesByReceipt" ON "messages" ("receivedAt")`,
      `CREATE TABLE "classTotals" ("subclass" ${t.text} NOT NULL, "direction" ${t.text} NOT NULL, "messages" ${t.integer} NOT NULL,
        "bytes" ${t.integer} NOT NULL, ${scopeColumns(t)})`,
      `CREATE UNIQUE INDEX "classTotalsKey" ON "classTotals" ("customer", "site", "class", "subclass", "direction")`,

      // What has arrived, and what will not arrive and why
      `CREATE TABLE "seen" ("source" ${t.text} NOT NULL, "epoch" ${t.text} NOT NULL, "lane" ${t.integer} NOT NULL, "first" ${t.integer} NOT NULL,
        "last" ${t.integer} NOT NULL, ${scopeColumns(t)}, PRIMARY KEY ("source", "epoch", "lane", "first"))`,
      `CREATE TABLE "tombstones" ("source" ${t.text} NOT NULL, "epoch" ${t.text} NOT NULL, "lane" ${t.integer} NOT NULL, "first" ${t.integer} NOT NULL,
        "last" ${t.integer} NOT NULL, "reason" ${t.text} NOT NULL, "rule" ${t.text}, "aggregate" ${t.text}, "at" ${t.text} NOT NULL,
        "recordedAt" ${t.integer} NOT NULL, ${scopeColumns(t)}, PRIMARY KEY ("source", "epoch", "lane", "first"))`,
      `CREATE INDEX "tombstonesByAggregate" ON "tombstones" ("aggregate")`,
      `CREATE INDEX "tombstonesByTime" ON "tombstones" ("recordedAt")`,
      `CREATE TABLE "streams" ("source" ${t.text} NOT NULL, "epoch" ${t.text} NOT NULL, "lane" ${t.integer} NOT NULL,
        "settledThrough" ${t.integer} NOT NULL, ${scopeColumns(t)}, PRIMARY KEY ("source", "epoch", "lane"))`,

      // Back-channel
      `CREATE TABLE "mailboxOwners" ("owner" ${t.text} PRIMARY KEY, "last" ${t.integer} NOT NULL, "acknowledged" ${t.integer} NOT NULL,
        "messages" ${t.integer} NOT NULL, "bytes" ${t.integer} NOT NULL)`,
      `CREATE TABLE "mailboxMessages" ("id" ${t.text} PRIMARY KEY, "header" ${t.bytes} NOT NULL, "body" ${t.bytes} NOT NULL,
        "receivedAt" ${t.integer} NOT NULL, "expiresAt" ${t.integer})`,
      `CREATE TABLE "mailboxEntries" ("owner" ${t.text} NOT NULL, "number" ${t.integer} NOT NULL, "bytes" ${t.integer} NOT NULL,
        "messageId" ${t.text} NOT NULL REFERENCES "mailboxMessages" ("id"), PRIMARY KEY ("owner", "number"))`,
      `CREATE INDEX "mailboxEntriesByMessage" ON "mailboxEntries" ("messageId")`,
      `CREATE INDEX "mailboxMessagesByExpiry" ON "mailboxMessages" ("expiresAt")`,

      // Bulk
      `CREATE TABLE "artifacts" ("sha256" ${t.text} PRIMARY KEY, "name" ${t.text} NOT NULL, "version" ${t.text} NOT NULL, "size" ${t.integer} NOT NULL,
        "manifest" ${t.text} NOT NULL, "signature" ${t.text} NOT NULL, "publicKey" ${t.text} NOT NULL, "publishedAt" ${t.integer} NOT NULL, ${scopeColumns(t)})`,
      `CREATE TABLE "artifactFetches" ("number" ${t.serial}, "sha256" ${t.text} NOT NULL, "peer" ${t.text} NOT NULL, "bytes" ${t.integer} NOT NULL,
        "complete" ${t.integer} NOT NULL, "at" ${t.integer} NOT NULL, ${scopeColumns(t)})`,
      `CREATE INDEX "artifactFetchesByArtifact" ON "artifactFetches" ("sha256", "number")`,
    ],
  },
  {
    owner: 'core',
    version: 2,
    statements: (t) => [
      // Epochs of each source in the order of appearance; those known before, as their first messages came
      `CREATE TABLE "epochs" ("source" ${t.text} NOT NULL, "epoch" ${t.text} NOT NULL, "ordinal" ${t.integer} NOT NULL,
        "direct" ${t.integer} NOT NULL, "firstSeenAt" ${t.integer} NOT NULL, ${scopeColumns(t)}, PRIMARY KEY ("source", "epoch"))`,
      `INSERT INTO "epochs" ("source", "epoch", "ordinal", "direct", "firstSeenAt", "customer", "site")
        SELECT s."source", s."epoch", ROW_NUMBER() OVER (PARTITION BY s."source" ORDER BY COALESCE(m."first", 0), s."epoch"), 0,
          COALESCE(m."at", 0), s."customer", s."site"
        FROM (SELECT "source", "epoch", MIN("customer") AS "customer", MIN("site") AS "site" FROM "seen" GROUP BY "source", "epoch") s
        LEFT JOIN (SELECT "source", "epoch", MIN("number") AS "first", MIN("receivedAt") AS "at" FROM "messages"
          WHERE "direction" = 'up' GROUP BY "source", "epoch") m ON m."source" = s."source" AND m."epoch" = s."epoch"`,
    ],
  },
  {
    owner: 'core',
    version: 3,
    statements: (t) => [
      // Events that have had their effect, whichever way they came; the scope's columns are part of the key
      `CREATE TABLE "eventKeys" ("subclass" ${t.text} NOT NULL, "eventKey" ${t.text} NOT NULL, "messageId" ${t.text} NOT NULL,
        "receivedAt" ${t.integer} NOT NULL, ${scopeColumns(t)}, PRIMARY KEY ("customer", "site", "class", "subclass", "eventKey"))`,
      `CREATE INDEX "eventKeysByTime" ON "eventKeys" ("receivedAt")`,

      // What was not taken: refused for good, or failed and to be tried again
      `CREATE TABLE "refusals" ("source" ${t.text} NOT NULL, "epoch" ${t.text} NOT NULL, "lane" ${t.integer} NOT NULL, "sequence" ${t.integer} NOT NULL,
        "faults" ${t.integer} NOT NULL, "module" ${t.text} NOT NULL, "code" ${t.text} NOT NULL, "detail" ${t.text} NOT NULL,
        "final" ${t.integer} NOT NULL, "firstAt" ${t.integer} NOT NULL, "at" ${t.integer} NOT NULL, ${scopeColumns(t)},
        PRIMARY KEY ("source", "epoch", "lane", "sequence"))`,
      `CREATE INDEX "refusalsByTime" ON "refusals" ("at")`,
      `CREATE TABLE "deadLetters" ("number" ${t.serial}, "id" ${t.text} NOT NULL, "source" ${t.text} NOT NULL, "epoch" ${t.text} NOT NULL,
        "lane" ${t.integer} NOT NULL, "sequence" ${t.integer} NOT NULL, "subclass" ${t.text} NOT NULL, "contentType" ${t.text} NOT NULL,
        "madeAt" ${t.integer} NOT NULL, "peer" ${t.text} NOT NULL, "module" ${t.text} NOT NULL, "code" ${t.text} NOT NULL, "detail" ${t.text} NOT NULL,
        "faults" ${t.integer} NOT NULL, "firstAt" ${t.integer} NOT NULL, "at" ${t.integer} NOT NULL, "bytes" ${t.integer} NOT NULL,
        "state" ${t.text} NOT NULL, "decidedAt" ${t.integer}, "reason" ${t.text}, "header" ${t.bytes}, "body" ${t.bytes}, ${scopeColumns(t)})`,
      `CREATE INDEX "deadLettersByState" ON "deadLetters" ("state", "number")`,
    ],
  },
  {
    owner: 'core',
    version: 4,
    // since when the interval is there: the gap before it has been known since then
    statements: (t) => [`ALTER TABLE "seen" ADD COLUMN "at" ${t.integer} NOT NULL DEFAULT 0`],
  },
];
