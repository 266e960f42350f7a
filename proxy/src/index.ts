export { type ProxyConfig, proxyConfig } from './config.ts';
