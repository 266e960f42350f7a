import type { Generated } from 'kysely';
import type { ParentTables } from '../directory/component-parents.ts';
import type { NotificationTables } from '../notifications/notification-store.ts';
import type { OverdueTables } from '../overdue/overdue-store.ts';
import type { AlarmTables } from '../service-modules/alarms.ts';
import type { CommandPathTables } from '../service-modules/command-paths.ts';
import type { CommandTables } from '../service-modules/commands.ts';
import type { ConfigurationTables } from '../service-modules/configuration-management.ts';
import type { HoldingsTables } from '../service-modules/holdings.ts';
import type { InstallTables } from '../service-modules/installs.ts';
import type { InventoryTables } from '../service-modules/inventory.ts';
import type { PatchTables } from '../service-modules/patch-management.ts';
import type { StatusTables } from '../service-modules/status.ts';
import type { StorageTables } from '../service-modules/storage-monitoring.ts';
import type { TransferTables } from '../service-modules/transfers.ts';

/** What every row of customers' data carries. `null`: the row is about more than one site, instance or class. */
export interface ScopeColumns {
  customer: string;
  site: string | null;
  instance: string | null;
  class: string | null;
}

export interface CustomerRow extends ScopeColumns {
  id: string;
  name: string;
  createdAt: number;
}

export interface SiteRow extends ScopeColumns {
  name: string;
  createdAt: number;
}

export interface ComponentRow extends ScopeColumns {
  id: string;
  kind: string;
  parent: string;
  state: string;
  createdAt: number;
  lastHeardAt: number | null;
  membershipVersion: number;
  membershipHash: string;
}

export interface GroupRow extends ScopeColumns {
  name: string;
  kind: string;
  createdAt: number;
}

export interface MessageRow extends ScopeColumns {
  number: Generated<number>;
  id: string;
  direction: string;
  subclass: string;
  classification: string;
  contentType: string;
  source: string;
  epoch: string;
  lane: number;
  sequence: number;
  madeAt: number;
  receivedAt: number;
  peer: string;
  eventKey: string | null;
  inReplyTo: string | null;
  note: string | null;
  header: Uint8Array;
  body: Uint8Array;
}

export interface TombstoneRow extends ScopeColumns {
  source: string;
  epoch: string;
  lane: number;
  first: number;
  last: number;
  reason: string;
  rule: string | null;
  aggregate: string | null;
  at: string;
  recordedAt: number;
}

export interface DeadLetterRow extends ScopeColumns {
  number: Generated<number>;
  id: string;
  source: string;
  epoch: string;
  lane: number;
  sequence: number;
  subclass: string;
  contentType: string;
  madeAt: number;
  peer: string;
  /** the service module that failed, or `store` */
  module: string;
  code: string;
  detail: string;
  faults: number;
  firstAt: number;
  /** the last fault */
  at: number;
  bytes: number;
  state: string;
  decidedAt: number | null;
  reason: string | null;
  /** gone once it is decided */
  header: Uint8Array | null;
  body: Uint8Array | null;
}

export interface ArtifactRow extends ScopeColumns {
  sha256: string;
  name: string;
  version: string;
  size: number;
  manifest: string;
  signature: string;
  publicKey: string;
  publishedAt: number;
}

interface CoreTables {
  facts: { name: string; value: string };
  numbering: { lane: number; last: number };
  customers: CustomerRow;
  sites: SiteRow;
  components: ComponentRow;
  groups: GroupRow;
  groupMembers: { groupName: string; component: string };
  messages: MessageRow;
  classTotals: ScopeColumns & { subclass: string; direction: string; messages: number; bytes: number };
  seen: ScopeColumns & { source: string; epoch: string; lane: number; first: number; last: number; at: number };
  epochs: ScopeColumns & { source: string; epoch: string; ordinal: number; direct: number; firstSeenAt: number };
  eventKeys: ScopeColumns & { subclass: string; eventKey: string; messageId: string; receivedAt: number };
  refusals: ScopeColumns & {
    source: string;
    epoch: string;
    lane: number;
    sequence: number;
    faults: number;
    module: string;
    code: string;
    detail: string;
    final: number;
    firstAt: number;
    at: number;
  };
  deadLetters: DeadLetterRow;
  tombstones: TombstoneRow;
  streams: ScopeColumns & { source: string; epoch: string; lane: number; settledThrough: number };
  mailboxOwners: { owner: string; last: number; acknowledged: number; messages: number; bytes: number };
  mailboxMessages: { id: string; header: Uint8Array; body: Uint8Array; receivedAt: number; expiresAt: number | null };
  mailboxEntries: { owner: string; number: number; bytes: number; messageId: string };
  artifacts: ArtifactRow;
  artifactFetches: ScopeColumns & {
    number: Generated<number>;
    sha256: string;
    peer: string;
    bytes: number;
    complete: number;
    at: number;
  };
}

/** Every table; the modules declare their own. */
export interface Schema
  extends CoreTables,
    AlarmTables,
    CommandPathTables,
    CommandTables,
    ConfigurationTables,
    HoldingsTables,
    InstallTables,
    InventoryTables,
    NotificationTables,
    OverdueTables,
    ParentTables,
    PatchTables,
    StatusTables,
    StorageTables,
    TransferTables {}
