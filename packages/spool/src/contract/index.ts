/** The contracts of this package as mocha suites: an implementation begins by passing them. Only tests import this. */

export * from './mailbox-contract.ts';
export * from './samples.ts';
export * from './spool-contract.ts';
export * from './store-contract.ts';
