import { Alarms } from './alarms.ts';
import { commands } from './commands.ts';
import { configurationManagement } from './configuration-management.ts';
import { Holdings } from './holdings.ts';
import { Installs } from './installs.ts';
import { inventory } from './inventory.ts';
import { patchManagement } from './patch-management.ts';
import type { ServiceModule } from './service-module.ts';
import { Status } from './status.ts';
import { storageMonitoring } from './storage-monitoring.ts';
import { transfers } from './transfers.ts';

/** What every application server does, each as a module of its own. */
export function builtInModules(): ServiceModule[] {
  return [
    new Alarms(),
    new Installs(),
    new Status(),
    new Holdings(),
    inventory,
    commands,
    transfers,
    patchManagement,
    configurationManagement,
    storageMonitoring,
  ];
}
