import type { SchemaRole } from './role-schemas.ts';

export type Role = SchemaRole;

export interface RoleStart {
  readonly configFile: string;
  readonly env: NodeJS.ProcessEnv;
}

/** Loads one program only, so that a role carries nothing of the others, and runs it until it is told to stop. */
export async function startRole(role: Role, start: RoleStart): Promise<void> {
  switch (role) {
    case 'certs':
      return (await import('@backhaul/certs')).runCerts(start);
    case 'appserver':
      return (await import('@backhaul/appserver')).runAppserver(start);
    case 'mlm':
      return (await import('@backhaul/mlm')).runMlm(start);
    case 'proxy':
      return (await import('@backhaul/proxy')).runProxy(start);
  }
}
