import { X509Certificate } from 'node:crypto';
import { existsSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { clientTlsOptions, identityOf, loadTlsMaterial } from '@backhaul/identity';
import { BackhaulError, freeDiskBytes, loadConfig, readJson, toBackhaulError } from '@backhaul/runtime';
import { Agent, request } from 'undici';
import { z } from 'zod';
import type { CliContext } from './cli-context.ts';
import { formatBytes, formatDuration } from './format.ts';
import { roleSchema, type SchemaRole } from './role-schemas.ts';
import { runningPid } from './running-pid.ts';

export type Level = 'ok' | 'warning' | 'problem';
export interface Finding {
  readonly about: string;
  readonly check: string;
  readonly level: Level;
  readonly detail: string;
}

const NODE_MAJOR = 24;
const DISK_WARNING_BYTES = 1024 ** 3;
const DISK_PROBLEM_BYTES = 100 * 1024 ** 2;
const CERTIFICATE_WARNING_MS = 14 * 86_400_000;
const CLOCK_WARNING_MS = 10_000;
const CLOCK_PROBLEM_MS = 300_000;
const ANSWER_MS = 5_000;

/** What the doctor looks at for a role, in this order; what needs the configuration is left out when that is not valid. */
export const ROLE_CHECKS = [checkDisk, checkCertificate, checkRunning, checkParents] as const;

/** What the checks read of any role's settings. */
const settingsShape = z.looseObject({
  dataDirectory: z.string(),
  trustDomain: z.string().default('backhaul.internal'),
  parents: z.array(z.looseObject({ id: z.string(), url: z.string() })).default([]),
});
type Settings = z.infer<typeof settingsShape>;

export function checkNode(): Finding[] {
  const major = Number(process.versions.node.split('.')[0]);
  const level = major >= NODE_MAJOR ? 'ok' : 'problem';
  return [
    {
      about: 'this machine',
      check: 'node',
      level,
      detail: `Node ${process.versions.node}${level === 'ok' ? '' : `; ${NODE_MAJOR} is needed`}`,
    },
  ];
}

/** One role by its configuration file. */
export async function checkRole(cli: CliContext, role: SchemaRole, file: string): Promise<Finding[]> {
  const about = relative(cli.directory, file) || file;
  try {
    const settings = settingsShape.parse(loadConfig(await roleSchema(role), { file, env: cli.env }));
    const findings: Finding[] = [{ about, check: 'configuration', level: 'ok', detail: `valid for ${role}` }];
    for (const check of ROLE_CHECKS) findings.push(...(await check(cli, about, settings)));
    return findings;
  } catch (thrown) {
    return [{ about, check: 'configuration', level: 'problem', detail: sentenceOf(thrown) }];
  }
}

async function checkDisk(_cli: CliContext, about: string, { dataDirectory }: Settings): Promise<Finding[]> {
  const free = await freeDiskBytes(dataDirectory);
  const level = free < DISK_PROBLEM_BYTES ? 'problem' : free < DISK_WARNING_BYTES ? 'warning' : 'ok';
  return [{ about, check: 'disk', level, detail: `${formatBytes(free)} free for ${dataDirectory}` }];
}

/** The component's own certificate. A certificate authority has none to show here. */
async function checkCertificate(
  cli: CliContext,
  about: string,
  { dataDirectory, parents }: Settings,
): Promise<Finding[]> {
  const present = existsSync(join(dataDirectory, 'identity', 'certificate.pem'));
  if (!present) {
    const plain = parents.every(({ url }) => url.startsWith('http:'));
    return plain
      ? []
      : [
          {
            about,
            check: 'certificate',
            level: 'problem',
            detail: `no certificate in ${dataDirectory}/identity; enrol it: backhaul enrol`,
          },
        ];
  }
  const certificate = new X509Certificate(loadTlsMaterial(dataDirectory).cert);
  const left = Date.parse(certificate.validTo) - cli.clock.now();
  const early = Date.parse(certificate.validFrom) - cli.clock.now();
  if (early > 0)
    return [
      {
        about,
        check: 'certificate',
        level: 'problem',
        detail: `not valid before ${certificate.validFrom}; is this clock right?`,
      },
    ];
  const level = left <= 0 ? 'problem' : left < CERTIFICATE_WARNING_MS ? 'warning' : 'ok';
  return [
    {
      about,
      check: 'certificate',
      level,
      detail: left <= 0 ? `expired on ${certificate.validTo}` : `valid for ${formatDuration(left)}`,
    },
  ];
}

/** By its readiness page, when it runs. That it does not run is no problem: the doctor may be asked before the start. */
async function checkRunning(_cli: CliContext, about: string, { dataDirectory }: Settings): Promise<Finding[]> {
  if (runningPid(dataDirectory) === undefined)
    return [{ about, check: 'running', level: 'warning', detail: 'it is not running' }];
  try {
    const { admin } = await readJson(join(dataDirectory, 'runtime.json'), z.looseObject({ admin: z.string() }));
    const answer = await request(`${admin}/readyz?verbose`, { headersTimeout: ANSWER_MS, bodyTimeout: ANSWER_MS });
    const text = await answer.body.text();
    const failed = failedChecks(text);
    const ready = answer.statusCode === 200;
    if (ready && failed === '') return [{ about, check: 'running', level: 'ok', detail: 'ready' }];
    const detail = `${ready ? 'ready, but' : 'not ready'}: ${failed || 'no reason given'}`;
    return [{ about, check: 'running', level: 'problem', detail }];
  } catch (thrown) {
    return [
      {
        about,
        check: 'running',
        level: 'problem',
        detail: `its admin listener does not answer: ${sentenceOf(thrown)}`,
      },
    ];
  }
}

/** Reached with the role's own certificate, as it would; the difference of the clocks comes with the answer. */
async function checkParents(
  cli: CliContext,
  about: string,
  { dataDirectory, trustDomain, parents }: Settings,
): Promise<Finding[]> {
  const findings: Finding[] = [];
  for (const parent of parents) {
    try {
      const date = await askParent(dataDirectory, parent, trustDomain);
      findings.push({ about, check: 'parent', level: 'ok', detail: `${parent.id} answers at ${parent.url}` });
      if (date !== undefined) findings.push(clockFinding(about, parent.id, Date.parse(date) - cli.clock.now()));
    } catch (thrown) {
      findings.push({
        about,
        check: 'parent',
        level: 'problem',
        detail: `${parent.id} at ${parent.url}: ${sentenceOf(thrown)}`,
      });
    }
  }
  return findings;
}

async function askParent(
  dataDirectory: string,
  parent: { id: string; url: string },
  trustDomain: string,
): Promise<string | undefined> {
  const secure = parent.url.startsWith('https:');
  const tls = secure ? clientTlsOptions(loadTlsMaterial(dataDirectory), identityOf(parent.id, trustDomain)) : {};
  const agent = new Agent({ connect: { ...tls, timeout: ANSWER_MS } as object });
  try {
    const answer = await request(parent.url, { dispatcher: agent, headersTimeout: ANSWER_MS, bodyTimeout: ANSWER_MS });
    await answer.body.dump();
    const date = answer.headers['date'];
    return typeof date === 'string' ? date : undefined;
  } finally {
    await agent.destroy();
  }
}

/** `Date` has whole seconds: less than that is no difference. */
export function clockFinding(about: string, other: string, differenceMs: number): Finding {
  const apart = Math.max(0, Math.abs(differenceMs) - 1000);
  const level = apart > CLOCK_PROBLEM_MS ? 'problem' : apart > CLOCK_WARNING_MS ? 'warning' : 'ok';
  const detail =
    apart === 0
      ? `agrees with ${other}`
      : `${formatDuration(apart)} ${differenceMs > 0 ? 'behind' : 'ahead of'} ${other}`;
  return { about, check: 'clock', level, detail };
}

export function sentenceOf(thrown: unknown): string {
  const inner = thrown instanceof Error && thrown.cause instanceof BackhaulError ? thrown.cause : thrown;
  if (inner instanceof BackhaulError) return inner.detail ?? inner.sentence;
  const { code, message } = inner as NodeJS.ErrnoException;
  return code ?? (message || toBackhaulError(inner).sentence);
}

function failedChecks(text: string): string {
  const shape = z.looseObject({
    checks: z.record(z.string(), z.looseObject({ ok: z.boolean(), detail: z.string().optional() })).default({}),
  });
  const read = shape.safeParse(JSON.parse(text || '{}'));
  const failed = read.success ? Object.entries(read.data.checks).filter(([, check]) => !check.ok) : [];
  return failed.map(([name, check]) => (check.detail ? `${name} (${check.detail})` : name)).join(', ');
}

/** The role whose settings a file holds, by its name: `proxy.yaml`. */
export function roleOfFile(file: string): SchemaRole | undefined {
  const name = file.slice(dirname(file).length + 1);
  return (['certs', 'appserver', 'mlm', 'proxy'] as const).find((role) => name === `${role}.yaml`);
}
