export * from './aggregate.ts';
export * from './filter.ts';
export * from './load-modules.ts';
export * from './mid-stream.ts';
export * from './module-chain.ts';
export { className, subclassName } from './module-options.ts';
export * from './numeric-summary.ts';
export * from './throttle.ts';
