import { BackhaulError } from '@backhaul/runtime';
import type { ZodType } from 'zod';
import { boundedJson, jsonOf } from '../content/data-element.ts';
import type { Classification, Content, ContentType, DataElement, Lane } from '../message.ts';
import { ALARM_CLASSES } from './alarms.ts';
import { alarmLane, type ClassEntry } from './class-entry.ts';
import { COMMAND_CLASSES } from './command.ts';
import { INFRASTRUCTURE_CLASSES } from './infrastructure.ts';
import { INVENTORY_CLASSES } from './inventory.ts';
import { PERFORMANCE_CLASSES } from './performance.ts';
import { SOFTWARE_CLASSES } from './software.ts';

/** Every class there is; docs/wire.md is compared with it by a test. */
export const CLASSES: readonly ClassEntry[] = [
  ...INVENTORY_CLASSES,
  ...PERFORMANCE_CLASSES,
  ...ALARM_CLASSES,
  ...INFRASTRUCTURE_CLASSES,
  ...COMMAND_CLASSES,
  ...SOFTWARE_CLASSES,
];

const byName = new Map(CLASSES.map((entry) => [`${entry.class}/${entry.subclass}`, entry]));

/** Classes of a site's own begin with this; their content is free. */
export const FREE_PREFIX = 'x-';
const FREE_NAME = /^[a-z0-9][a-z0-9._-]{0,63}$/;

/** The entry of a class, or nothing for an unknown one. */
export function classSchema(cls: string, subclass: string): ClassEntry | undefined {
  const known = byName.get(`${cls}/${subclass}`);
  if (known !== undefined) return known;
  return cls.startsWith(FREE_PREFIX) && FREE_NAME.test(cls) && FREE_NAME.test(subclass)
    ? freeClass(cls, subclass)
    : undefined;
}

function freeClass(cls: string, subclass: string): ClassEntry {
  return {
    class: cls,
    subclass,
    classification: 'data-collection',
    lane: 6,
    laneOf: (content) => (content.type === 'data' ? 6 : alarmLane(content)),
    contentTypes: ['data', 'alarm', 'event'],
    from: 'any integrator',
    about: 'a class of the site’s own',
  };
}

/**
 * How a message of a class travels; the lane of an alarm depends on its content.
 * Throws BH-E-CLASS.
 */
export function describeClass(
  cls: string,
  subclass: string,
  content?: Content,
): { readonly classification: Classification; readonly lane: Lane; readonly contentType: ContentType } {
  const entry = mustKnow(cls, subclass);
  return {
    classification: entry.classification,
    lane: content === undefined ? entry.lane : (entry.laneOf?.(content) ?? entry.lane),
    contentType: content?.type ?? entry.contentTypes[0],
  };
}

function mustKnow(cls: string, subclass: string): ClassEntry {
  const entry = classSchema(cls, subclass);
  if (entry === undefined)
    throw new BackhaulError('BH-E-CLASS', { detail: `${cls.slice(0, 64)}/${subclass.slice(0, 64)}` });
  return entry;
}

/**
 * Checks a content against its class and gives it back as it is. Called where data enters the network, with the value that its JSON
 * was made of when the caller has it: then it is not parsed again.
 * Throws BH-E-CLASS, BH-E-SCHEMA, BH-E-JSON, BH-E-NAME, BH-E-LIMIT-DEPTH, and what the check of the class throws.
 */
export function checkContent(cls: string, subclass: string, content: Content, value?: unknown): Content {
  const entry = mustKnow(cls, subclass);
  if (!entry.contentTypes.includes(content.type))
    throw new BackhaulError('BH-E-SCHEMA', {
      detail: `content type ${content.type}; ${entry.contentTypes.join(' or ')} expected`,
    });
  checkData(entry, content, value);
  entry.check?.(content);
  return content;
}

/** JSON has the shape its class prescribes; where none is prescribed it is still JSON, of bounded depth and without names of prototypes. */
function checkData(entry: ClassEntry, content: Content, value: unknown): void {
  const data = dataOf(content);
  const read = (): unknown => (value === undefined ? jsonOf(data) : boundedJson(value));
  if (carriesJson(entry, content)) checkJson(entry.json as ZodType, read());
  else if (data?.mimeType === 'application/json' && data.encoding === 'none') read();
}

function carriesJson(entry: ClassEntry, content: Content): boolean {
  if (entry.json === undefined) return false;
  return entry.jsonIn?.includes(content.type) ?? true;
}

function dataOf(content: Content): DataElement | undefined {
  if (content.type === 'data') return content;
  return content.type === 'bulkDataResponse' ? undefined : content.data;
}

function checkJson<T>(schema: ZodType<T>, value: unknown): T {
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  const [issue] = result.error.issues;
  const where = issue?.path.join('.').slice(0, 128);
  throw new BackhaulError('BH-E-SCHEMA', { detail: `${where ? `${where}: ` : ''}${issue?.message.slice(0, 200)}` });
}

/**
 * The JSON of a content, checked: `payloadOf(performanceSample, content)`.
 * Throws BH-E-SCHEMA, BH-E-JSON, BH-E-NAME, BH-E-LIMIT-DEPTH.
 */
export function payloadOf<T>(schema: ZodType<T>, content: Content): T {
  return checkJson(schema, jsonOf(dataOf(content)));
}
