import { z } from 'zod';

/**
 * JSON lines over a Unix socket (0600), the only way into the installer. A request is one line; the answer is any number of
 * progress lines and one last line with `ok`. A connection carries one request after the other.
 */
export const REQUEST_LINE_BYTES = 256 * 1024;

const signedManifest = {
  manifest: z.string().max(64 * 1024),
  signature: z.string().max(1024),
  publicKey: z.string().max(4096),
};

export const installerRequest = z.discriminatedUnion('op', [
  z.strictObject({ op: z.literal('judge'), ...signedManifest }),
  z.strictObject({ op: z.literal('install'), path: z.string().min(1).max(4096), ...signedManifest }),
]);

export type InstallerRequest = z.output<typeof installerRequest>;

export const installerLine = z.union([
  z.strictObject({ progress: z.enum(['verified', 'started']) }),
  z.strictObject({ progress: z.literal('percent'), percent: z.int().min(0).max(100) }),
  z.strictObject({ ok: z.literal(true) }),
  z.strictObject({ ok: z.literal(false), code: z.string(), detail: z.string().optional() }),
]);

export type InstallerLine = z.output<typeof installerLine>;
