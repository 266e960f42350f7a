import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { artifact, created, type PushDocument } from '../../api-shapes.ts';
import { artifactForm, manifestOf, signArtifact } from '../../signed-artifact.ts';
import { pushOutcome } from '../../verbs/push.ts';
import { SITE } from '../demo-configs.ts';
import { buildDemoPackage, DEMO_PACKAGE } from '../demo-package.ts';
import type { DemoRun } from '../demo-run.ts';

const LIMIT_MS = 60_000;

/** Builds a package, signs it, uploads it as staff would, pushes it to the site and waits for every outcome. */
export async function pushDemoPackage(run: DemoRun, version: string, privateKeyPem: string): Promise<PushDocument> {
  const folder = run.folder.file('packages');
  await mkdir(folder, { recursive: true });
  const file = join(folder, `${DEMO_PACKAGE}-${version}.tar.gz`);
  await writeFile(file, buildDemoPackage(version).bytes);
  const signed = signArtifact(await manifestOf(file, DEMO_PACKAGE, version), privateKeyPem);
  const { sha256 } = await run.api.upload('/artifacts', artifact, await artifactForm(file, signed));
  const { id } = await run.api.post('/pushes', created, { artifact: sha256, group: SITE });
  return pushOutcome(run.api, run.cli.clock, id, LIMIT_MS);
}

/** `provider.p1: failed, BH-E-INSTALL …` of the members that are not where they should be. */
export function othersThan(state: string, { members }: PushDocument): string {
  return members
    .filter((member) => member.state !== state)
    .map(({ component, state: is, code, reason }) => [`${component}: ${is}`, code, reason].filter(Boolean).join(', '))
    .join('; ');
}
