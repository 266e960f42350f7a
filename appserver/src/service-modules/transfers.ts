import { payloadOf, transfer } from '@backhaul/envelope';
import { type ColumnTypes, scopeColumns } from '../store/migrations.ts';
import type { ScopeColumns } from '../store/schema.ts';
import { type ServiceModule, scopeColumnsOf } from './service-module.ts';

/** What MLMs tell of artifacts they fetched once and handed out: bytes above against bytes below. */
export interface TransferTables {
  transfers: ScopeColumns & {
    messageId: string;
    component: string;
    sha256: string;
    wanBytes: number;
    fetches: number;
    lanBytes: number;
    destinations: number;
    at: number;
  };
}

export const transfers: ServiceModule = {
  name: 'transfers',
  subscriptions: [{ class: 'infrastructure', subclass: 'transfer' }],
  migrations: [
    {
      owner: 'transfers',
      version: 1,
      statements: (t: ColumnTypes) => [
        `CREATE TABLE "transfers" ("messageId" ${t.text} PRIMARY KEY, "component" ${t.text} NOT NULL, "sha256" ${t.text} NOT NULL, "wanBytes" ${t.integer} NOT NULL,
          "fetches" ${t.integer} NOT NULL, "lanBytes" ${t.integer} NOT NULL, "destinations" ${t.integer} NOT NULL, "at" ${t.integer} NOT NULL, ${scopeColumns(t)})`,
      ],
    },
  ],
  async handle(tx, message) {
    const { sha256, wanBytes, fetches, lanBytes, destinations } = payloadOf(transfer, message.content());
    const row = {
      messageId: message.header.id,
      component: message.header.source,
      sha256,
      wanBytes,
      fetches,
      lanBytes,
      destinations: destinations.length,
    };
    await tx.db
      .insertInto('transfers')
      .values({ ...row, at: message.receivedAt, ...scopeColumnsOf(message) })
      .onConflict((conflict) => conflict.column('messageId').doNothing())
      .execute();
    return undefined;
  },
};
