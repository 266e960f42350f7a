export * from './limits.ts';
export * from './message.ts';
