import { startRole } from '../start-role.ts';
import type { Verb } from '../verb.ts';

const CONFIG_OPTION = [
  '--config <file>',
  'configuration file (YAML); settings can be overridden by BACKHAUL_… variables',
] as const;

const ROLES = [
  ['proxy', 'run a proxy: takes data from integrators, spools it, sends it up; installs software'],
  ['mlm', 'run a mid-level manager: relays, filters, merges, keeps mailboxes, fetches artifacts once'],
  ['appserver', 'run an application server: stores, decides, serves the staff API and the portal'],
] as const;

/** A role runs until SIGTERM or SIGINT, then drains. */
export const roleVerbs: readonly Verb[] = ROLES.map(([role, summary]) => ({
  path: role,
  summary,
  options: [CONFIG_OPTION],
  examples: [
    `backhaul ${role} --config /etc/backhaul/${role}.yaml`,
    `BACKHAUL_LOG__LEVEL=debug backhaul ${role} --config ${role}.yaml`,
  ],
  run: async ({ cli, options }) => {
    await startRole(role, { configFile: options.required('config'), env: cli.env });
    return {};
  },
}));

export const certsServe: Verb = {
  path: 'certs serve',
  summary: 'answer enrolments: the certificate authority as a role of its own',
  options: [CONFIG_OPTION],
  examples: ['backhaul certs serve --config /etc/backhaul/certs.yaml'],
  run: async ({ cli, options }) => {
    await startRole('certs', { configFile: options.required('config'), env: cli.env });
    return {};
  },
};
