export type { DeadLetter } from './dead-letters.ts';
export * from './lane-queue.ts';
export * from './level-mailboxes.ts';
export * from './level-store.ts';
export * from './memory-store.ts';
export * from './seen-intervals.ts';
export * from './sequence-counter.ts';
export * from './store.ts';
export * from './types.ts';
