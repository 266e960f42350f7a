import { existsSync, globSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { z } from 'zod';
import type { CliContext } from '../cli-context.ts';
import { ApiClient } from '../client.ts';
import { connectionFile, findConnection } from '../connection.ts';
import { checkNode, checkRole, clockFinding, type Finding, roleOfFile, sentenceOf } from '../doctor-checks.ts';
import { SCHEMA_ROLES } from '../role-schemas.ts';
import { renderTable } from '../table.ts';
import { usage, type Verb, type VerbOptions } from '../verb.ts';

export const doctor: Verb = {
  path: 'doctor',
  summary: 'look for what is wrong here: Node, disk, certificates, clocks, parents, configuration',
  description:
    'Looks at the roles of a demo folder by itself; elsewhere say which file belongs to which role. Exit code 1 when there is a problem.',
  options: [
    ['--role <role>', `role of the configuration: ${SCHEMA_ROLES.join(', ')}; by the name of the file when left out`],
    ['--config <file>', 'configuration of a role that runs on this machine'],
  ],
  connects: true,
  examples: ['backhaul doctor', 'backhaul doctor --config /etc/backhaul/proxy.yaml', 'backhaul doctor --json'],
  run: async ({ cli, options, width }) => {
    const findings = [...checkNode(), ...(await checkServer(cli, options))];
    for (const { role, file } of rolesHere(cli, options)) findings.push(...(await checkRole(cli, role, file)));
    const problems = findings.filter(({ level }) => level === 'problem').length;
    const table = renderTable(
      findings,
      [
        { title: 'ABOUT', value: (row) => row.about, flexible: true },
        { title: 'CHECK', value: (row) => row.check },
        { title: 'VERDICT', value: (row) => (row.level === 'problem' ? 'PROBLEM' : row.level) },
        { title: 'WHAT', value: (row) => row.detail, flexible: true },
      ],
      width,
    );
    const verdict = problems === 0 ? 'No problem found.' : `${problems} problem${problems === 1 ? '' : 's'} found.`;
    return {
      json: { ok: problems === 0, problems, findings },
      text: `${table}\n\n${verdict}`,
      exitCode: problems === 0 ? 0 : 1,
    };
  },
};

function rolesHere(cli: CliContext, options: VerbOptions) {
  const given = options.text('config');
  if (given !== undefined) {
    const file = resolve(cli.directory, given);
    const role = SCHEMA_ROLES.find((one) => one === (options.text('role') ?? roleOfFile(file)));
    if (role === undefined) throw usage(`--role must be one of ${SCHEMA_ROLES.join(', ')}`);
    return [{ role, file }];
  }
  const login = connectionFile(cli);
  const demo = login?.endsWith('/.backhaul/cli.json') ? dirname(login) : undefined;
  if (demo === undefined || !existsSync(demo)) return [];
  const files = globSync('*/*.yaml', { cwd: demo })
    .toSorted()
    .map((name) => resolve(demo, name));
  return files.flatMap((file) => {
    const role = roleOfFile(file);
    return role === undefined ? [] : [{ role, file }];
  });
}

/** Only when one is known here: a proxy's machine has no login. */
async function checkServer(cli: CliContext, options: VerbOptions): Promise<Finding[]> {
  const known = options.text('url') ?? cli.env['BACKHAUL_URL'] ?? connectionFile(cli);
  if (known === undefined) return [];
  const connection = await findConnection(cli, options);
  const client = new ApiClient(connection);
  const about = connection.url;
  try {
    const { version } = await client.get('/version', z.looseObject({ version: z.string() }));
    await client.get('/status', z.unknown());
    const clock =
      client.serverDate === undefined
        ? []
        : [clockFinding(about, 'the application server', Date.parse(client.serverDate) - cli.clock.now())];
    return [{ about, check: 'staff API', level: 'ok', detail: `version ${version}, the secret is accepted` }, ...clock];
  } catch (thrown) {
    return [{ about, check: 'staff API', level: 'problem', detail: sentenceOf(thrown) }];
  } finally {
    await client.close();
  }
}
