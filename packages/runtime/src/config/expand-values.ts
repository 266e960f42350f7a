import { readFileSync } from 'node:fs';
import { BackhaulError } from '../errors.ts';
import { type ConfigPath, isPlainObject, pathText } from './config-path.ts';

const REFERENCE = /\$\{(env|file):([^}]{1,1024})\}/g;

/** Replaces `${env:NAME}` and `${file:/path}` in every text value; a file's last line end is dropped. */
export function expandValues(value: unknown, env: NodeJS.ProcessEnv, path: ConfigPath = []): unknown {
  if (typeof value === 'string') {
    return value.replace(REFERENCE, (_, source: string, name: string) =>
      source === 'env' ? fromEnvironment(env, name, path) : fromFile(name, path),
    );
  }
  if (Array.isArray(value)) return value.map((entry, i) => expandValues(entry, env, [...path, i]));
  if (!isPlainObject(value)) return value;
  return Object.fromEntries(
    Object.entries(value).map(([key, entry]) => [key, expandValues(entry, env, [...path, key])]),
  );
}

function fromEnvironment(env: NodeJS.ProcessEnv, name: string, path: ConfigPath): string {
  const text = env[name];
  if (text !== undefined) return text;
  throw new BackhaulError('BH-E-CONFIG', { detail: `${pathText(path)}: the environment variable ${name} is not set` });
}

function fromFile(name: string, path: ConfigPath): string {
  try {
    return readFileSync(name, 'utf8').replace(/\r?\n$/, '');
  } catch (cause) {
    throw new BackhaulError('BH-E-CONFIG', { detail: `${pathText(path)}: ${name} cannot be read`, cause });
  }
}
