export * from './clock.ts';
export * from './errors.ts';
export * from './lifecycle.ts';
export * from './logging.ts';
export * from './random.ts';
export * from './secret.ts';
