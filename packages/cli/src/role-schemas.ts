import type { ZodType } from 'zod';

export const SCHEMA_ROLES = ['certs', 'appserver', 'mlm', 'proxy'] as const;
export type SchemaRole = (typeof SCHEMA_ROLES)[number];

/** The schema that a role reads its configuration with. */
export async function roleSchema(role: SchemaRole): Promise<ZodType> {
  switch (role) {
    case 'certs':
      return (await import('@backhaul/certs')).certsConfig;
    case 'appserver':
      return (await import('@backhaul/appserver')).appserverConfig;
    case 'mlm':
      return (await import('@backhaul/mlm')).mlmConfig;
    case 'proxy':
      return (await import('@backhaul/proxy')).proxyConfig;
  }
}
