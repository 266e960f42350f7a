import { identityOf } from '@backhaul/identity';
import { BackhaulError, isoTime, systemClock, systemRandom } from '@backhaul/runtime';
import { AuditLog } from './audit-log.ts';
import { openCa } from './ca-folder.ts';
import { tokenRequest } from './enrolment-grant.ts';
import { TokenStore } from './token-store.ts';

export interface IssueTokenOptions {
  /** Component ID; customer and kind follow from it. */
  readonly id: string;
  readonly names?: readonly string[];
  readonly ttlMs?: number;
}

/**
 * Issues an enrolment token on the authority's own machine, for any kind; a running `certs serve` takes it at once.
 * Gives `<id>.<secret>`. Throws BH-E-NAME, BH-E-USAGE, BH-E-CONFIG.
 */
export async function issueToken(directory: string, options: IssueTokenOptions): Promise<string> {
  const authority = await openCa(directory);
  const { customer, kind, id } = identityOf(options.id, authority.trustDomain);
  const asked = tokenRequest.safeParse({
    identity: { customer, kind, id },
    names: options.names,
    ttlMs: options.ttlMs,
  });
  if (!asked.success)
    throw new BackhaulError('BH-E-USAGE', { detail: asked.error.issues[0]?.message ?? 'token request' });
  const { tokenKey } = authority;
  const tokens = new TokenStore({ caDirectory: directory, tokenKey, clock: systemClock, random: systemRandom });
  const { token, grant } = await tokens.grant(asked.data, 'local');
  const expiresAt = isoTime(grant.expiresAt);
  const audit = new AuditLog(directory, systemClock);
  await audit.append({ event: 'token-issued', token: grant.id, id, names: grant.names, expiresAt, askedBy: 'local' });
  return token;
}
