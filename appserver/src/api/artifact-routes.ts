import { z } from 'zod';
import type { ArtifactRow } from '../store/schema.ts';
import { pageOf, pageQuery, readCursor, textKey, toPage } from './paging.ts';
import { type Route, route } from './route.ts';

const artifact = z
  .strictObject({
    sha256: z.string(),
    name: z.string(),
    version: z.string(),
    size: z.int(),
    publicKey: z.string().meta({ description: 'name of the release key that signed the manifest' }),
    publishedAt: z.int(),
  })
  .meta({ id: 'Artifact' });

function asItem({ sha256, name, version, size, publicKey, publishedAt }: ArtifactRow) {
  return { sha256, name, version, size, publicKey, publishedAt };
}

/** Files to be sent down. */
export const artifactRoutes: readonly Route[] = [
  route({
    ...{ method: 'get', path: '/artifacts', tag: 'software', summary: 'Published artifacts' },
    query: pageQuery,
    reply: pageOf(artifact),
    handle: async ({ queries, query }) => {
      const [after] = readCursor(query, textKey) ?? [''];
      const rows = await queries
        .from('artifacts')
        .selectAll()
        .where('sha256', '>', after)
        .orderBy('sha256')
        .limit(query.limit + 1)
        .execute();
      return toPage(rows, query, ({ sha256 }) => [sha256], asItem);
    },
  }),
  route({
    ...{ method: 'post', path: '/artifacts', tag: 'software', summary: 'Publish an artifact with its signed manifest' },
    upload: true,
    body: z.strictObject({
      manifest: z.string().meta({ description: 'JSON {name, version, format, sha256, size}' }),
      signature: z.string().meta({ description: 'base64 of the Ed25519 signature over the manifest exactly as sent' }),
      publicKey: z.string().meta({ description: 'PEM, or ed25519:<base64>' }),
      file: z.string().meta({ format: 'binary' }),
    }),
    status: 201,
    reply: artifact,
    handle: async ({ services, incoming }) => asItem(await services.artifacts.publish(incoming)),
  }),
];
