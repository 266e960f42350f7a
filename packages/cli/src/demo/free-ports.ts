import { createServer } from 'node:net';

/** Where the demo listens when nobody else does. */
export const PREFERRED_PORTS = { enrol: 7440, registrar: 7441, relay: 7443, mlm: 7444, staff: 8443 } as const;
export type PortName = keyof typeof PREFERRED_PORTS;
export type Ports = Readonly<Record<PortName, number>>;

const STEPS_ASIDE = 20;

/** A port for each listener: the one remembered, else the preferred one, else one near it, else any. */
export async function choosePorts(remembered: Readonly<Record<string, number>>): Promise<Ports> {
  const taken = new Set<number>();
  const chosen: Partial<Record<PortName, number>> = {};
  for (const [name, preferred] of Object.entries(PREFERRED_PORTS) as [PortName, number][]) {
    const port = await firstFree([...(remembered[name] ? [remembered[name]] : []), ...near(preferred)], taken);
    taken.add(port);
    chosen[name] = port;
  }
  return chosen as Ports;
}

/**
 * Others for those named, after somebody else was quicker. `chance` (0 to below 1) says where the search begins, so that
 * two demos that got in each other's way do not meet again.
 */
export async function otherPorts(ports: Ports, names: readonly PortName[], chance: number): Promise<Ports> {
  const others: Record<PortName, number> = { ...ports };
  const taken = new Set<number>(Object.values(ports));
  const first = 1 + Math.floor(chance * STEPS_ASIDE);
  for (const name of names) {
    others[name] = await firstFree(near(PREFERRED_PORTS[name], first), taken);
    taken.add(others[name]);
  }
  return others;
}

/** Every tenth, so that two demos beside each other do not get in each other's way. */
function near(port: number, first = 0): number[] {
  return Array.from({ length: STEPS_ASIDE }, (_, step) => port + (first + step) * 10);
}

async function firstFree(candidates: readonly number[], taken: ReadonlySet<number>): Promise<number> {
  for (const port of candidates) if (!taken.has(port) && (await tryPort(port)) !== undefined) return port;
  return (await tryPort(0))!;
}

/** The port when it can be bound on loopback, else undefined. */
function tryPort(port: number): Promise<number | undefined> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', () => resolve(undefined));
    server.listen({ host: '127.0.0.1', port, exclusive: true }, () => {
      const address = server.address();
      server.close(() => resolve(typeof address === 'object' && address !== null ? address.port : undefined));
    });
  });
}
