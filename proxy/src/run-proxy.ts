import { X509Certificate } from 'node:crypto';
import { mkdir } from 'node:fs/promises';
import { resolve } from 'node:path';
import { certificateIdentity, type Identity, identityOf, loadTlsMaterial, type TlsMaterial } from '@backhaul/identity';
import {
  BackhaulError,
  createLogger,
  loadConfig,
  runRole,
  systemClock,
  systemRandom,
  VERSION,
} from '@backhaul/runtime';
import { type ProxyConfig, proxyConfig } from './config.ts';
import { buildProxy } from './proxy.ts';

/** Runs the proxy role until SIGTERM or SIGINT. Throws BH-E-CONFIG, BH-E-ID-MISSING, BH-E-SPOOL-LOCKED. */
export async function runProxy(options: { configFile: string; env: NodeJS.ProcessEnv }): Promise<void> {
  const read = loadConfig(proxyConfig, { file: options.configFile, env: options.env });
  const config = { ...read, dataDirectory: resolve(read.dataDirectory) };
  const { identity, tls } = credentials(config);
  const logger = createLogger({ role: 'proxy', ...config.log }).child({ component: identity.id });
  if (tls === 'plain')
    logger.warn({}, 'the parent is reached over plain HTTP: nothing is encrypted and nobody is authenticated');
  await mkdir(config.dataDirectory, { recursive: true, mode: 0o750 });
  const proxy = buildProxy({ config, identity, tls, clock: systemClock, random: systemRandom, logger });
  await runRole({
    role: 'proxy',
    version: VERSION,
    dataDirectory: config.dataDirectory,
    logger,
    components: proxy.components,
    describe: () => proxy.describe(),
  });
}

/** Who this proxy is: what its certificate says; plain HTTP only when every parent is on loopback. */
function credentials(config: ProxyConfig): { identity: Identity; tls: TlsMaterial | 'plain' } {
  if (config.parents.every(({ url }) => url.startsWith('https:'))) {
    const tls = loadTlsMaterial(config.dataDirectory);
    return { tls, identity: certificateIdentity(new X509Certificate(tls.cert).raw, config.trustDomain, 'client') };
  }
  for (const { url } of config.parents) checkPlain(url);
  if (config.identity === undefined)
    throw new BackhaulError('BH-E-CONFIG', { detail: 'identity: needed where parents are reached over plain HTTP' });
  return { tls: 'plain', identity: identityOf(config.identity.id, config.trustDomain) };
}

function checkPlain(url: string): void {
  const { protocol, hostname } = new URL(url);
  const loopback = hostname === 'localhost' || hostname === '[::1]' || /^127(\.\d+){3}$/.test(hostname);
  if (protocol === 'http:' && loopback) return;
  throw new BackhaulError('BH-E-CONFIG', {
    detail: `parents: ${url}: plain HTTP is for loopback only, and never beside https`,
  });
}
