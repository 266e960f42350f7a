import { configKeys, loadConfig } from '@backhaul/runtime';
import { z } from 'zod';
import { roleSchema, SCHEMA_ROLES, type SchemaRole } from '../role-schemas.ts';
import { printableLines } from '../terminal-text.ts';
import { usage, type Verb } from '../verb.ts';

const ROLE = ['<role>', SCHEMA_ROLES.join(', ')] as const;
const FILE = ['<file>', 'configuration file'] as const;

export const configCheck: Verb = {
  path: 'config check',
  summary: 'read a configuration as the role would, and say what is wrong with it',
  arguments: [ROLE, FILE],
  examples: ['backhaul config check proxy /etc/backhaul/proxy.yaml'],
  run: async ({ cli, args }) => {
    loadConfig(await roleSchema(roleNamed(args[0])), { file: args[1]!, env: cli.env });
    return {
      json: { ok: true, role: args[0], file: args[1] },
      text: `${args[1]} is a valid configuration of the role ${args[0]}.`,
    };
  },
};

export const configShow: Verb = {
  path: 'config show',
  summary: 'the settings in effect: file, environment and defaults; secrets are hidden',
  arguments: [ROLE, FILE],
  examples: ['backhaul config show mlm mlm.yaml', 'BACKHAUL_LOG__LEVEL=debug backhaul config show mlm mlm.yaml --json'],
  run: async ({ cli, args }) => {
    const settings = hideSecrets(loadConfig(await roleSchema(roleNamed(args[0])), { file: args[1]!, env: cli.env }));
    return { json: settings, text: printableLines(JSON.stringify(settings, null, 2)) };
  },
};

export const configSchema: Verb = {
  path: 'config schema',
  summary: 'every key of a role with type, default and meaning; with --json its JSON Schema',
  arguments: [ROLE],
  examples: ['backhaul config schema proxy', 'backhaul config schema mlm --json > mlm.schema.json'],
  run: async ({ args }) => {
    const schema = await roleSchema(roleNamed(args[0]));
    const lines = configKeys(schema).map(({ key, type, default: value, required, description }) => {
      const filled = required ? 'required' : value === undefined ? 'optional' : `default ${JSON.stringify(value)}`;
      return `${key}  (${type}, ${filled})\n    ${description ?? ''}`;
    });
    return { json: z.toJSONSchema(schema, { io: 'input', unrepresentable: 'any' }), text: lines.join('\n') };
  },
};

function roleNamed(name: string | undefined): SchemaRole {
  const role = SCHEMA_ROLES.find((one) => one === name);
  if (role === undefined) throw usage(`${name} is no role; there is ${SCHEMA_ROLES.join(', ')}`);
  return role;
}

const SECRET_KEY = /password|secret|token|passphrase/i;

/** What is typed as a secret hides itself; a password given as plain text is hidden by its name. */
function hideSecrets(value: unknown, key = ''): unknown {
  if (typeof value === 'string' && SECRET_KEY.test(key) && !/file$/i.test(key)) return '[secret]';
  if (Array.isArray(value)) return value.map((one) => hideSecrets(one, key));
  if (typeof value !== 'object' || value === null || Object.getPrototypeOf(value) !== Object.prototype) return value;
  return Object.fromEntries(Object.entries(value).map(([name, one]) => [name, hideSecrets(one, name)]));
}
