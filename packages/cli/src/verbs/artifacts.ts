import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { resolve } from 'node:path';
import { newReleaseKey, releaseKeyName } from '@backhaul/identity';
import { BackhaulError, writeFileAtomic } from '@backhaul/runtime';
import { artifact } from '../api-shapes.ts';
import { formatBytes, formatTime } from '../format.ts';
import { artifactForm, manifestOf, signArtifact } from '../signed-artifact.ts';
import { renderTable } from '../table.ts';
import { printable } from '../terminal-text.ts';
import type { Verb } from '../verb.ts';

export const artifactsList: Verb = {
  path: 'artifacts list',
  summary: 'what has been published and can be pushed',
  groupDefault: true,
  connects: true,
  examples: ['backhaul artifacts'],
  run: async ({ api, width }) => {
    const items = await (await api()).list('/artifacts', artifact);
    const text = renderTable(
      items,
      [
        { title: 'NAME', value: (row) => row.name },
        { title: 'VERSION', value: (row) => row.version },
        { title: 'SIZE', value: (row) => (row.size ? formatBytes(row.size) : undefined), align: 'right' },
        { title: 'PUBLISHED', value: (row) => formatTime(row.publishedAt) },
        { title: 'SHA-256', value: (row) => row.sha256, flexible: true },
      ],
      width,
    );
    return { json: { items }, text };
  },
};

/** The key stays with whoever releases; the application server never sees it. */
export const artifactsKeygen: Verb = {
  path: 'artifacts keygen',
  summary: 'make a release key; a site allows it by its name in the policy of its proxies',
  options: [['--out <file>', 'where to write the private key, readable by you alone']],
  examples: ['backhaul artifacts keygen --out release-key.pem'],
  run: async ({ cli, options }) => {
    const file = resolve(cli.directory, options.required('out'));
    if (existsSync(file))
      throw new BackhaulError('BH-E-CONFLICT', { detail: `${file} exists; a release key is never overwritten` });
    const key = newReleaseKey();
    await writeFileAtomic(file, key.privateKeyPem, 0o600);
    return {
      json: { file, name: key.name },
      text: `${file} holds the private key: keep it off this network.\nIts name, for the policy of a site: ${key.name}`,
    };
  },
};

export const artifactsPublish: Verb = {
  path: 'artifacts publish',
  summary: 'sign a package (tar.gz) with a release key and upload it; nothing is sent to any site yet',
  arguments: [['<file>', 'the package, a tar.gz']],
  options: [
    ['--name <name>', 'name of the software'],
    ['--version <version>', 'its version, such as 1.4.0'],
    ['--key <file>', 'private release key (PEM), made by `backhaul artifacts keygen`'],
  ],
  connects: true,
  examples: ['backhaul artifacts publish agent.tar.gz --name agent --version 1.4.0 --key release-key.pem'],
  run: async ({ api, args, options, cli }) => {
    const file = resolve(cli.directory, args[0]!);
    const privateKey = await readFile(resolve(cli.directory, options.required('key')), 'utf8').catch(unreadable);
    const manifest = await manifestOf(file, options.required('name'), options.required('version')).catch(unreadable);
    const signed = signArtifact(manifest, privateKey);
    const published = await (await api()).upload('/artifacts', artifact, await artifactForm(file, signed));
    const text = `${printable(published.name)} ${printable(published.version)} is published, signed by ${releaseKeyName(signed.publicKey)}.\nNext: backhaul push ${published.sha256} --group <site> --wait`;
    return { json: published, text };
  },
};

function unreadable(cause: unknown): never {
  if (cause instanceof BackhaulError) throw cause;
  throw new BackhaulError('BH-E-USAGE', { detail: (cause as Error).message, cause });
}
