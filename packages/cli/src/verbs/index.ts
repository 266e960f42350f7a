import type { Verb } from '../verb.ts';
import { alarms } from './alarms.ts';
import { artifactsKeygen, artifactsList, artifactsPublish } from './artifacts.ts';
import { backup, restore } from './backup.ts';
import { certsInit, certsToken } from './certs.ts';
import { completionVerb } from './completion.ts';
import { componentsList, componentsParents, componentsRevoke } from './components.ts';
import { configCheck, configSchema, configShow } from './config.ts';
import { customersAdd, customersList } from './customers.ts';
import { deadLettersDiscard, deadLettersList, deadLettersReplay, deadLettersShow, revoke } from './dead-letters.ts';
import { demo } from './demo.ts';
import { doctor } from './doctor.ts';
import { enrol } from './enrol.ts';
import { groupsList, groupsSet } from './groups.ts';
import { internalVerbs } from './internal.ts';
import { inventory } from './inventory.ts';
import { ledger } from './ledger.ts';
import { login } from './login.ts';
import { mailboxesList, mailboxesPoke } from './mailboxes.ts';
import { messages } from './messages.ts';
import { notificationsList, notificationsSenders, notificationsTest } from './notifications.ts';
import { overdue } from './overdue.ts';
import { push, pushes } from './push.ts';
import { certsServe, roleVerbs } from './roles.ts';
import { send } from './send.ts';
import { sitesAdd, sitesList, sitesPackage } from './sites.ts';
import { status } from './status.ts';
import { trace } from './trace.ts';

/** Every verb, in the order of the help. */
export const VERBS: readonly Verb[] = [
  demo,
  ...roleVerbs,
  certsInit,
  certsToken,
  certsServe,
  enrol,
  login,
  customersList,
  customersAdd,
  sitesList,
  sitesAdd,
  sitesPackage,
  componentsList,
  componentsRevoke,
  componentsParents,
  groupsList,
  groupsSet,
  status,
  overdue,
  notificationsList,
  notificationsSenders,
  notificationsTest,
  mailboxesList,
  mailboxesPoke,
  messages,
  trace,
  ledger,
  deadLettersList,
  deadLettersShow,
  deadLettersReplay,
  deadLettersDiscard,
  revoke,
  alarms,
  inventory,
  send,
  artifactsList,
  artifactsKeygen,
  artifactsPublish,
  push,
  pushes,
  doctor,
  configCheck,
  configShow,
  configSchema,
  backup,
  restore,
  completionVerb(() => VERBS),
  ...internalVerbs,
];
