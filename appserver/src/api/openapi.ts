import { ERRORS, VERSION } from '@backhaul/runtime';
import { z } from 'zod';
import { createDocument, type ZodOpenApiOperationObject, type ZodOpenApiPathsObject } from 'zod-openapi';
import type { Route } from './route.ts';

const problem = z
  .looseObject({
    type: z.string(),
    title: z.string().meta({ description: 'a sentence for people' }),
    status: z.int(),
    code: z.enum(Object.keys(ERRORS) as [string, ...string[]]),
    detail: z.string().optional(),
    retryAfterMs: z.number().optional(),
  })
  .meta({ id: 'Problem', description: 'RFC 9457 problem details; clients look at `code`' });

/** The OpenAPI 3.1 document, made from the schemas that check requests and replies. */
export function openApiOf(routes: readonly Route[]): object {
  const paths: ZodOpenApiPathsObject = {};
  for (const route of routes) {
    const path = `/api/v1${route.path.replace(/:(\w+)/g, '{$1}')}`;
    paths[path] = { ...paths[path], [route.method]: operationOf(route) };
  }
  return createDocument({
    openapi: '3.1.0',
    info: { title: 'Backhaul staff API', version: VERSION, license: { name: 'Apache-2.0', identifier: 'Apache-2.0' } },
    servers: [{ url: '/' }],
    security: [{ bearer: [] }],
    paths,
    components: { securitySchemes: { bearer: { type: 'http', scheme: 'bearer' } } },
  });
}

function operationOf(route: Route): ZodOpenApiOperationObject {
  const hasKeys = (schema: z.ZodObject) => Object.keys(schema.shape).length > 0;
  return {
    operationId: operationId(route),
    tags: [route.tag],
    summary: route.summary,
    ...(route.auth === 'public' ? { security: [] } : {}),
    requestParams: {
      ...(hasKeys(route.params) ? { path: route.params } : {}),
      ...(hasKeys(route.query) ? { query: route.query } : {}),
    },
    ...(route.body
      ? {
          requestBody: {
            required: true,
            content: { [route.upload ? 'multipart/form-data' : 'application/json']: { schema: route.body } },
          },
        }
      : {}),
    responses: {
      [String(route.status)]: { description: 'Done', content: { 'application/json': { schema: route.reply } } },
      default: { description: 'Refused', content: { 'application/problem+json': { schema: problem } } },
    },
  } as ZodOpenApiOperationObject;
}

/** `getCustomersIdSites` */
function operationId({ method, path }: Route): string {
  const words = path.split(/[^A-Za-z0-9]+/).filter((word) => word !== '');
  return method + words.map((word) => word[0]!.toUpperCase() + word.slice(1)).join('');
}
