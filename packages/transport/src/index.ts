export { type FetchOptions, FRUITLESS_ATTEMPTS } from './artifact-fetch.ts';
export * from './backoff.ts';
export * from './enrol.ts';
export * from './envelope-exchange.ts';
export * from './epoch-watch.ts';
export * from './link-order.ts';
export * from './ongoing.ts';
export type { OutboundProxy } from './outbound-proxy.ts';
export {
  type DeadLetterAnswer,
  isDeadLetterCommand,
  type PreparedAnswer,
  prepareDeadLetterCommand,
} from './outbox/dead-letter-commands.ts';
export { type Draft, written } from './outbox/draft.ts';
export * from './outbox/heartbeat.ts';
export * from './outbox/known-numbers.ts';
export * from './outbox/notice-queue.ts';
export * from './outbox/outbox.ts';
export { receiptDrafts, tombstonesOf } from './outbox/receipts.ts';
export { renewEpochIfRestored } from './outbox/renew-epoch.ts';
export * from './outbox/store-report.ts';
export { readAnswer } from './parent-answer.ts';
export * from './parent-connection.ts';
export * from './progress-watch.ts';
export { refusalAnswer } from './refusal.ts';
export * from './relay-listener.ts';
export { RELAYS_WAITING } from './relay-through.ts';
export { readRequestBody } from './request-body.ts';
export * from './types.ts';
export * from './uplink.ts';
export { parentConfig, spoolConfig, uplinkConfig } from './uplink-config.ts';
export { MAX_WAIT_SECONDS, WIRE_HEADERS } from './wire-headers.ts';
