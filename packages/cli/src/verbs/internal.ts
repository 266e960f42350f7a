import type { Verb } from '../verb.ts';

/** Processes that a proxy starts and supervises by itself. */
export const internalVerbs: readonly Verb[] = [
  {
    path: 'installer',
    summary: 'the installer process of a proxy (started by the proxy)',
    examples: ['backhaul installer …'],
    internal: true,
    passThrough: true,
    run: async ({ args }) => {
      await (await import('@backhaul/proxy')).runInstaller([...args]);
      return {};
    },
  },
  {
    path: 'host-integrator',
    summary: 'the host integrator process of a proxy (started by the proxy)',
    examples: ['backhaul host-integrator …'],
    internal: true,
    passThrough: true,
    run: async ({ args }) => {
      await (await import('@backhaul/proxy')).runHostIntegrator([...args]);
      return {};
    },
  },
];
