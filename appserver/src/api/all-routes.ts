import type { ServiceModule } from '../service-modules/service-module.ts';
import { artifactRoutes } from './artifact-routes.ts';
import { deadLetterRoutes } from './dead-letter-routes.ts';
import { directoryRoutes } from './directory-routes.ts';
import { mailboxRoutes } from './mailbox-routes.ts';
import { messageRoutes } from './message-routes.ts';
import { notificationRoutes } from './notification-routes.ts';
import type { Route } from './route.ts';
import { statusRoutes } from './status-routes.ts';

/** Every route there is below /api/v1; what is not in this list is not answered [T-A32]. */
export function allRoutes(modules: readonly ServiceModule[]): Route[] {
  return [
    ...statusRoutes,
    ...directoryRoutes,
    ...messageRoutes,
    ...deadLetterRoutes,
    ...artifactRoutes,
    ...notificationRoutes,
    ...mailboxRoutes,
    ...modules.flatMap((module) => module.routes ?? []),
  ];
}
