import { z } from 'zod';

/**
 * What the verbs read of the staff API's answers. More may come along and is passed on by `--json` as it is; what is
 * named here must be there.
 */
const time = z.union([z.number(), z.string()]).nullish();

export const customer = z.looseObject({ id: z.string(), name: z.string() });
export const site = z.looseObject({ name: z.string() });

export const component = z.looseObject({
  id: z.string(),
  kind: z.string(),
  parent: z.string().nullish(),
  parents: z.array(z.string()).nullish(),
  customer: z.string().nullish(),
  site: z.string().nullish(),
  state: z.string(),
  lastHeardAt: time,
  overdue: z.boolean().nullish(),
  watch: z.looseObject({ state: z.string(), behind: z.string().nullish() }).nullish(),
  version: z.string().nullish(),
  backlog: z.unknown(),
});
export type ComponentRow = z.infer<typeof component>;

export const group = z.looseObject({ name: z.string(), members: z.array(z.string()) });

export const message = z.looseObject({
  id: z.string(),
  source: z.string(),
  class: z.string(),
  subclass: z.string(),
  contentType: z.string().nullish(),
  customer: z.string().nullish(),
  site: z.string().nullish(),
  instance: z.string().nullish(),
  receivedAt: time,
  madeAt: time,
});

export const alarm = z.looseObject({
  alarmId: z.string(),
  severity: z.string(),
  state: z.string(),
  instance: z.string().nullish(),
  source: z.string().nullish(),
  text: z.string().nullish(),
  location: z.string().nullish(),
  occurredAt: time,
});

export const artifact = z.looseObject({
  sha256: z.string(),
  name: z.string(),
  version: z.string(),
  size: z.number().nullish(),
  publishedAt: time,
});

export const created = z.looseObject({ id: z.string() });

const commandPath = z.looseObject({ path: z.string(), state: z.string(), code: z.string().nullish() });
const commandMember = z.looseObject({
  component: z.string(),
  state: z.string(),
  result: z.unknown(),
  paths: z.array(commandPath).optional(),
});
export const command = z.looseObject({ id: z.string(), members: z.array(commandMember) });
export type CommandDocument = z.infer<typeof command>;

const pushMember = z.looseObject({
  component: z.string(),
  state: z.string(),
  percent: z.number().nullish(),
  code: z.string().nullish(),
  reason: z.string().nullish(),
});
export const push = z.looseObject({
  id: z.string(),
  artifact: z.unknown(),
  members: z.array(pushMember),
  wanFetches: z.number().nullish(),
});
export type PushDocument = z.infer<typeof push>;
export const pushRow = z.looseObject({ id: z.string(), name: z.string(), version: z.string(), createdAt: time });

export const anything = z.looseObject({});
