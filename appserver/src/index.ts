export { Appserver, type AppserverOptions } from './appserver.ts';
export type { Bus, BusEvent, BusListener } from './bus/bus.ts';
export { type AppserverConfig, appserverConfig } from './config.ts';
export { openApiDocument } from './openapi-document.ts';
export { backupAppserver, runAppserver } from './run-appserver.ts';
export type {
  ArrivedMessage,
  HandleResult,
  ModuleContext,
  ServiceModule,
  Subscription,
} from './service-modules/service-module.ts';
