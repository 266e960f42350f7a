import { PARENT_MIGRATIONS } from '../directory/component-parents.ts';
import { NOTIFICATION_MIGRATIONS } from '../notifications/notification-store.ts';
import { OVERDUE_MIGRATIONS } from '../overdue/overdue-store.ts';
import type { ServiceModule } from '../service-modules/service-module.ts';
import { CORE_MIGRATIONS } from './core-migrations.ts';
import type { Migration } from './migrations.ts';

/** Everything the store must hold: the core's tables first, then the modules' in their order. */
export function allMigrations(modules: readonly ServiceModule[]): Migration[] {
  return [
    ...CORE_MIGRATIONS,
    ...PARENT_MIGRATIONS,
    ...NOTIFICATION_MIGRATIONS,
    ...OVERDUE_MIGRATIONS,
    ...modules.flatMap((module) => module.migrations),
  ];
}
