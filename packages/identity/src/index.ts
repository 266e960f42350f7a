export * from './component-identity.ts';
