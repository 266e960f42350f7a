import { allRoutes } from './api/all-routes.ts';
import { openApiOf } from './api/openapi.ts';
import { builtInModules } from './service-modules/built-in-modules.ts';

/** The description of the staff API, without starting anything. */
export function openApiDocument(): object {
  return openApiOf(allRoutes(builtInModules()));
}
