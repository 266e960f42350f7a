import { STATUS_STATES } from '@backhaul/envelope';
import { BackhaulError } from '@backhaul/runtime';
import { z } from 'zod';
import { schemaFault } from '../accept/submission.ts';
import { NAME_PATTERN } from '../directory/directory-records.ts';

const name = () => z.string().regex(NAME_PATTERN);
const LONGEST_WAIT_SECONDS = 60;

/** `POST /v1/heartbeats` */
export const heartbeatRequest = z.strictObject({
  integrator: name(),
  instances: z
    .array(z.strictObject({ id: name(), state: z.enum(STATUS_STATES), text: z.string().max(256).optional() }))
    .max(10_000)
    .default([]),
});

/** `POST /v1/commands/:id/response` */
export const commandResponseRequest = z.strictObject({
  status: z.enum(['done', 'failed', 'refused']),
  text: z.string().max(4096).default(''),
  code: z
    .string()
    .regex(/^[A-Z][A-Za-z0-9-]{0,63}$/)
    .optional(),
  data: z.unknown().optional(),
});

/** `GET /v1/commands` */
export const commandQuery = z.strictObject({
  integrator: name(),
  wait: z.coerce.number().int().min(0).max(LONGEST_WAIT_SECONDS).default(0),
});

/** `GET /v1/notices` */
export const noticeQuery = z.strictObject({
  integrator: name(),
  after: z.coerce.number().int().min(0).max(Number.MAX_SAFE_INTEGER).default(0),
  wait: z.coerce.number().int().min(0).max(LONGEST_WAIT_SECONDS).default(0),
});

/** `GET /v1/instances` */
export const instanceQuery = z.strictObject({
  integrator: name().optional(),
  cursor: name().optional(),
  limit: z.coerce.number().int().min(1).max(1000).default(100),
});

/** Throws BH-E-SCHEMA naming the field. */
export function readBody<S extends z.ZodType>(schema: S, body: unknown): z.output<S> {
  const parsed = schema.safeParse(body);
  if (!parsed.success) throw schemaFault(parsed.error);
  return parsed.data;
}

/** Throws BH-E-QUERY naming the parameter. */
export function readQuery<S extends z.ZodType>(schema: S, query: unknown): z.output<S> {
  const parsed = schema.safeParse(query);
  if (parsed.success) return parsed.data;
  const issue = parsed.error.issues[0];
  throw new BackhaulError('BH-E-QUERY', { detail: `${issue?.path.join('.') ?? ''} ${issue?.message ?? ''}`.trim() });
}
