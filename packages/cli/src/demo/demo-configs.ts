import { writeFileAtomic } from '@backhaul/runtime';
import { PROXIES, type ProcessName } from './demo-folder.ts';
import { CONFIG_FILES, type DemoRun } from './demo-run.ts';

export const TRUST_DOMAIN = 'demo.backhaul.internal';
export const HOST = '127.0.0.1';
/** Names in the certificates of the provider's listeners. */
export const NAMES = ['localhost', '127.0.0.1'];
export const SITE = 'site-a';
export const APPSERVER_ID = 'provider.a1';

/** Small enough that the main job shows them at work within seconds. */
export const AGGREGATE = { count: 5, windowMs: 60_000 } as const;

/** Settings of every process of the demo, from its ports and the IDs known so far. JSON is YAML. */
export async function writeConfig(run: DemoRun, name: ProcessName): Promise<void> {
  const settings = settingsOf(run, name);
  const head = '# Written by `backhaul demo` at each start. Every key: docs/configuration.md\n';
  await writeFileAtomic(
    `${run.folder.of(name)}/${CONFIG_FILES[name]}`,
    `${head}${JSON.stringify(settings, null, 2)}\n`,
  );
}

function settingsOf(run: DemoRun, name: ProcessName): object {
  const common = { dataDirectory: run.folder.of(name), log: { format: 'json' } };
  const listen = (port: number) => ({ host: HOST, port });
  const ports = run.ports!;
  switch (name) {
    case 'certs':
      return { ...common, enrol: listen(ports.enrol), registrar: listen(ports.registrar), names: NAMES };
    case 'appserver':
      return {
        ...common,
        trustDomain: TRUST_DOMAIN,
        relay: { ...listen(ports.relay), url: url(ports.relay) },
        staff: listen(ports.staff),
        authority: { registrarUrl: url(ports.registrar), enrolUrl: url(ports.enrol) },
      };
    case 'mlm':
      return {
        ...common,
        trustDomain: TRUST_DOMAIN,
        relay: listen(ports.mlm),
        parents: [{ id: APPSERVER_ID, url: url(ports.relay) }],
        modules: MODULES,
      };
    default:
      return {
        ...common,
        trustDomain: TRUST_DOMAIN,
        parents: [{ id: run.id('mlm'), url: url(ports.mlm) }],
        integrators: [hostIntegrator(name)],
      };
  }
}

/** What the MLM does with the performance data of the host: each of the three ways is seen in the result. */
const MODULES = [
  { use: 'filter', rules: [{ name: 'network-counters', class: 'performance', subclass: 'interface' }] },
  { use: 'throttle', rules: [{ class: 'performance', subclass: 'sample', messagesPerSecond: 3, burst: 0.3 }] },
  { use: 'aggregate', rules: [{ name: 'five-to-one', class: 'performance', subclass: 'sample', ...AGGREGATE }] },
];

/** The three proxies report the same machine; the management ID keeps them apart. */
function hostIntegrator(name: ProcessName): object {
  const rack = PROXIES.indexOf(name as (typeof PROXIES)[number]) + 1;
  return { use: 'host', managementId: `demo-host-${rack}`, startSamples: AGGREGATE.count + 1 };
}

export function url(port: number): string {
  return `https://${HOST}:${port}`;
}
