export * from './mid-stream.ts';
