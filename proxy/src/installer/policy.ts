import { readFile, stat } from 'node:fs/promises';
import { z } from 'zod';

const WRITABLE_BY_ANYONE = 0o002;

const policySchema = z.strictObject({
  allow: z.array(
    z.strictObject({
      /** `ed25519:<base64 SPKI>` of a release key */
      key: z.string().min(1),
      /** package names, `*` stands for any characters */
      name: z.string().min(1).max(128),
    }),
  ),
  allowDowngrade: z.boolean().default(false),
});

export type Policy = z.output<typeof policySchema>;

/** Nothing is allowed that is not written down. */
export const DENY_ALL: Policy = { allow: [], allowDowngrade: false };

/**
 * The site's own rule of what may be installed here, read anew for every judgement. It is the customer's file: no message
 * can change it. Missing, unreadable, malformed or writable by anyone means: nothing is allowed, and why.
 */
export async function readPolicy(path: string): Promise<{ policy: Policy; reason?: string }> {
  try {
    const { mode } = await stat(path);
    if (mode & WRITABLE_BY_ANYONE) return { policy: DENY_ALL, reason: 'policy.json is writable by anyone' };
    return { policy: policySchema.parse(JSON.parse(await readFile(path, 'utf8'))) };
  } catch (error) {
    const missing = (error as NodeJS.ErrnoException).code === 'ENOENT';
    return {
      policy: DENY_ALL,
      reason: missing ? 'there is no policy.json, so nothing is allowed' : 'policy.json cannot be read',
    };
  }
}

/** `demo-*` matches `demo-tool`. Only `*` is special; linear in the length of the name. */
export function matchesPattern(name: string, pattern: string): boolean {
  const [first = '', ...rest] = pattern.split('*');
  const last = rest.pop();
  if (last === undefined) return name === pattern;
  if (!name.startsWith(first)) return false;
  let at = first.length;
  for (const piece of rest) {
    const found = name.indexOf(piece, at);
    if (found < 0) return false;
    at = found + piece.length;
  }
  return name.length >= at + last.length && name.endsWith(last);
}
