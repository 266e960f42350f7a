import { artifactManifest, releaseKeyName, verifyManifest } from '@backhaul/identity';
import { BackhaulError, type ErrorCode } from '@backhaul/runtime';
import semver from 'semver';
import type { z } from 'zod';
import type { Floors } from './floors.ts';
import { matchesPattern, type Policy } from './policy.ts';

/** What an offer claims, with the signature over the exact bytes of the manifest. */
export interface SignedManifest {
  readonly manifest: string;
  /** base64 */
  readonly signature: string;
  readonly publicKey: string;
}

export type Manifest = z.output<typeof artifactManifest>;

/** Names become folder names: nothing else is ever a path [T-A11]. */
const PACKAGE_NAME = /^[a-z0-9][a-z0-9._-]{0,63}$/;

interface Case {
  readonly offer: SignedManifest;
  readonly manifest: Manifest;
  readonly policy: Policy;
  readonly denied: string | undefined;
  readonly floors: Floors;
}

/** The first that objects decides. Default deny: an offer that no line of the policy allows is refused. */
export const JUDGEMENT_STEPS = [checkName, checkSignature, checkKey, checkAllowed, checkDowngrade] as const;

/** The manifest, when this site's policy allows it here now. Throws the refusal. */
export function judge(
  offer: SignedManifest,
  rules: { policy: Policy; denied?: string | undefined; floors: Floors },
): Manifest {
  const manifest = readManifest(offer.manifest);
  const judged: Case = { offer, manifest, policy: rules.policy, denied: rules.denied, floors: rules.floors };
  for (const step of JUDGEMENT_STEPS) step(judged);
  return manifest;
}

export function readManifest(text: string): Manifest {
  const parsed = artifactManifest.safeParse(parseJson(text));
  if (parsed.success) return parsed.data;
  const issue = parsed.error.issues[0];
  throw new BackhaulError('BH-E-SCHEMA', { detail: `manifest ${issue?.path.join('.')}: ${issue?.message}` });
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new BackhaulError('BH-E-JSON', { detail: 'the manifest is not JSON', cause });
  }
}

function checkName({ manifest }: Case): void {
  if (!PACKAGE_NAME.test(manifest.name)) throw refusal('BH-E-NAME', `package names match ${PACKAGE_NAME.source}`);
  if (semver.valid(manifest.version) === null) throw refusal('BH-E-SCHEMA', 'the version is not a semantic version');
}

function checkSignature({ offer }: Case): void {
  if (!signatureHolds(offer))
    throw refusal('BH-E-SIGNATURE', 'the manifest was not signed by the key that came with it');
}

function signatureHolds({ manifest, signature, publicKey }: SignedManifest): boolean {
  try {
    return verifyManifest(publicKey, Buffer.from(manifest), signature);
  } catch {
    return false;
  }
}

function checkKey({ offer, policy, denied }: Case): void {
  const key = releaseKeyName(offer.publicKey);
  if (!policy.allow.some((line) => line.key === key))
    throw refusal('BH-E-POLICY-KEY', denied ?? `${key} is not in policy.json`);
}

function checkAllowed({ offer, manifest, policy }: Case): void {
  const key = releaseKeyName(offer.publicKey);
  const allowed = policy.allow.some((line) => line.key === key && matchesPattern(manifest.name, line.name));
  if (!allowed) throw refusal('BH-E-POLICY-DENY', `no line of policy.json allows ${manifest.name} by this key`);
}

function checkDowngrade({ manifest, policy, floors }: Case): void {
  if (policy.allowDowngrade || !floors.isBelow(manifest.name, manifest.version)) return;
  throw refusal(
    'BH-E-POLICY-DOWNGRADE',
    `${manifest.name} ${floors.of(manifest.name)} has been installed, ${manifest.version} is offered`,
  );
}

function refusal(code: ErrorCode, detail: string): BackhaulError {
  return new BackhaulError(code, { detail });
}
