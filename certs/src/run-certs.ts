import { serverOnlyTlsOptions, serverTlsOptions, tlsPeerIdentifier } from '@backhaul/identity';
import {
  AdminListener,
  type Clock,
  type Component,
  createLogger,
  loadConfig,
  Metrics,
  type Random,
  runRole,
  systemClock,
  systemRandom,
  VERSION,
} from '@backhaul/runtime';
import { AuditLog } from './audit-log.ts';
import { type CertificateAuthority, openCa } from './ca-folder.ts';
import { DAY_MS } from './certificate-profile.ts';
import { type CertsConfig, certsConfig } from './certs-config.ts';
import { enrolApp } from './enrol-app.ts';
import { Enrolment } from './enrolment.ts';
import { HttpsListener } from './https-listener.ts';
import { Issuer } from './issuer.ts';
import { Maintenance } from './maintenance.ts';
import { OwnCertificate } from './own-certificate.ts';
import { RateLimit } from './rate-limit.ts';
import { registrarApp } from './registrar-app.ts';
import { TokenStore } from './token-store.ts';

export interface RunCertsOptions {
  readonly configFile?: string;
  readonly env: NodeJS.ProcessEnv;
  readonly overrides?: object;
  /** Stops the role as SIGTERM does. */
  readonly signal?: AbortSignal;
}

/** The role `backhaul certs serve`, from start to stop. */
export async function runCerts(options: RunCertsOptions): Promise<void> {
  const { configFile, env, overrides } = options;
  const config = loadConfig(certsConfig, {
    env,
    ...(configFile ? { file: configFile } : {}),
    ...(overrides ? { overrides } : {}),
  });
  const logger = createLogger({ role: 'certs', ...config.log }).child({ component: config.id });
  const authority = await openCa(config.dataDirectory);
  const { components, describe } = certsParts({ config, authority, logger, clock: systemClock, random: systemRandom });
  const role = { role: 'certs', version: VERSION, dataDirectory: config.dataDirectory, logger, components, describe };
  await runRole(options.signal === undefined ? role : { ...role, signal: options.signal });
}

interface PartsOptions {
  readonly config: CertsConfig;
  readonly authority: CertificateAuthority;
  readonly logger: ReturnType<typeof createLogger>;
  readonly clock: Clock;
  readonly random: Random;
}

/** The parts of the role, in the order in which they start. */
export function certsParts({ config, authority, logger, clock, random }: PartsOptions): {
  components: Component[];
  describe: () => { admin: string; listeners: { enrol: string; registrar: string } };
} {
  const metrics = new Metrics('certs');
  const figures = certsMetrics(metrics);
  const issuer = new Issuer({ authority, leafDays: config.leafDays, clock, random });
  metrics.gauge(
    'issuing_certificate_days_left',
    'Days until the issuing certificate ends',
    () => (issuer.endsAt - clock.now()) / DAY_MS,
  );
  const audit = new AuditLog(authority.directory, clock);
  const tokens = new TokenStore({ caDirectory: authority.directory, tokenKey: authority.tokenKey, clock, random });
  const own = new OwnCertificate({ authority, issuer, audit, clock, id: config.id, names: config.names });
  const enrolment = new Enrolment({ trustDomain: authority.trustDomain, tokens, issuer, audit });
  const rate = new RateLimit({ ...config.rate, clock });
  const enrol = new HttpsListener({
    name: 'enrolment listener',
    ...config.enrol,
    tls: () => serverOnlyTlsOptions(own.material),
    app: enrolApp({ enrolment, rate, logger, ...figures }),
    logger,
  });
  const peers = tlsPeerIdentifier(authority.trustDomain);
  const registrar = new HttpsListener({
    name: 'registrar listener',
    ...config.registrar,
    tls: () => serverTlsOptions(own.material),
    app: registrarApp({ peers, tokens, audit, logger, ...figures }),
    logger,
  });
  const maintenance = new Maintenance({ own, tokens, issuer, listeners: [enrol, registrar], clock, logger });
  const ready = () => ({
    ready: clock.now() < issuer.endsAt,
    checks: { issuing: { ok: clock.now() < issuer.endsAt } },
  });
  const admin = new AdminListener({ ...config.admin, metrics, version: VERSION, ready, logger });
  return {
    components: [maintenance, registrar, enrol, admin],
    describe: () => ({ admin: admin.url, listeners: { enrol: enrol.url, registrar: registrar.url } }),
  };
}

function certsMetrics(metrics: Metrics) {
  const certificates = metrics.counter('certificates_issued_total', 'Certificates handed out', ['kind']);
  const grants = metrics.counter('tokens_issued_total', 'Enrolment tokens issued to application servers');
  const refusals = metrics.counter('refusals_total', 'Requests refused', ['code']);
  return {
    issued: (kind: string) => certificates.inc({ kind }),
    granted: () => grants.inc(),
    refused: (code: string) => refusals.inc({ code }),
  };
}
