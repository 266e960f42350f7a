import { ALARM_STATES, SEVERITIES } from '@backhaul/envelope';
import { BackhaulError } from '@backhaul/runtime';
import { z } from 'zod';
import { NAME_PATTERN } from '../directory/directory-records.ts';

/** What integrators send: plain JSON, one object per message. The proxy makes the XML. */
export type SubmissionKind = 'alarms' | 'events' | 'data';

const name = z.string().regex(NAME_PATTERN);
/** ms since 1970, or ISO 8601 in UTC */
const time = z.union([z.int().min(0).max(8.64e15), z.iso.datetime().transform((text) => Date.parse(text))]);
const LONGEST_LIFE_MS = 10 * 365 * 86_400_000;

const common = {
  /** support instance it is about */
  instance: name,
  class: name,
  subclass: name,
  /** 0 emergency … 8 bulk; by class when absent */
  precedence: z.int().min(0).max(8).optional(),
  expiresInMs: z.int().min(1).max(LONGEST_LIFE_MS).optional(),
  persistent: z.boolean().optional(),
};

const payload = {
  /** any JSON */
  data: z.json().optional(),
  /** or text of another type; binary as base64 */
  content: z
    .strictObject({
      mimeType: z.string().max(129),
      encoding: z.enum(['none', 'base64']).default('none'),
      text: z.string(),
    })
    .optional(),
};

const occurrence = {
  occurredAt: time.optional(),
  location: z.string().min(1).max(256).optional(),
  text: z.string().max(64 * 1024),
};

const alarmSubmission = z.strictObject({
  ...common,
  /** names the condition: open and clear carry the same */
  alarmId: z.string().min(1).max(256),
  /** the platform's own id of this occurrence */
  eventId: z.string().min(1).max(256).optional(),
  severity: z.enum(SEVERITIES),
  state: z.enum(ALARM_STATES),
  ...occurrence,
  ...payload,
});

const eventSubmission = z.strictObject({
  ...common,
  eventId: z.string().min(1).max(256),
  severity: z.enum(SEVERITIES).default('info'),
  ...occurrence,
  ...payload,
});

/** `data` is free JSON; its shape is checked by the class, so it is not looked into here. */
const dataSubmission = z.strictObject({
  ...common,
  eventId: z.string().min(1).max(256).optional(),
  /** a newer message of this instance and class with the same key takes the place of one that still waits */
  supersedeKey: z
    .string()
    .regex(/^[A-Za-z0-9._:/-]{1,32}$/)
    .optional(),
  data: z.unknown().optional(),
  content: payload.content,
});

export const SUBMISSIONS = { alarms: alarmSubmission, events: eventSubmission, data: dataSubmission } as const;

export type AlarmSubmission = z.output<typeof alarmSubmission>;
export type EventSubmission = z.output<typeof eventSubmission>;
export type DataSubmission = z.output<typeof dataSubmission>;
export type Submission =
  | ({ readonly kind: 'alarms' } & AlarmSubmission)
  | ({ readonly kind: 'events' } & EventSubmission)
  | ({ readonly kind: 'data' } & DataSubmission);

/** Throws BH-E-SCHEMA; the detail names the field. */
export function readSubmission(kind: SubmissionKind, value: unknown): Submission {
  const parsed = SUBMISSIONS[kind].safeParse(value);
  if (!parsed.success) throw schemaFault(parsed.error);
  return Object.assign(parsed.data, { kind }) as Submission;
}

export function schemaFault(error: z.ZodError): BackhaulError {
  const issue = error.issues[0];
  const path = issue?.path.join('.');
  return new BackhaulError('BH-E-SCHEMA', {
    detail: `${path === undefined || path === '' ? 'body' : path}: ${issue?.message}`,
    cause: error,
  });
}
