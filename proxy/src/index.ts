export { type HostIntegratorConfig, type ProxyConfig, proxyConfig } from './config.ts';
export { runInstaller } from './installer/run-installer.ts';
export { runHostIntegrator } from './integrators/host/run-host-integrator.ts';
export { buildProxy, type Proxy, type ProxyOptions } from './proxy.ts';
export * from './proxy-core.ts';
export { runProxy } from './run-proxy.ts';
