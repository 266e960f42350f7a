import {
  type Alarm,
  type Content,
  checkContent,
  type Data,
  type DataElement,
  describeClass,
  type EventContent,
  jsonElement,
  type Lane,
  LIMITS,
} from '@backhaul/envelope';
import { BackhaulError, type Clock, toBackhaulError } from '@backhaul/runtime';
import type { Store } from '@backhaul/spool';
import { type Draft, type Ongoing, type Outbox, type Placed, written } from '@backhaul/transport';
import type { Directory } from '../directory/directory.ts';
import type { InstanceRecord } from '../directory/directory-records.ts';
import type { Gathering } from './gathering.ts';
import { readSubmission, type Submission, type SubmissionKind } from './submission.ts';

/** The way of what an integrator sends, from its JSON to the answer. */
export const ACCEPT_STAGES = [parse, normalise, numberAndCommit, answer] as const;

export interface AcceptContext {
  readonly directory: Directory;
  readonly outbox: Outbox;
  readonly store: Store;
  readonly gathering: Gathering;
  readonly clock: Clock;
  /** what has come in and is not answered yet */
  readonly accepting: Ongoing;
}

/** What becomes of one message: refused at some stage, or on its way to a place. */
type Slot = { refusal: BackhaulError } | { submission: Submission } | { draft: Draft } | { placed: Placed };

interface Batch {
  readonly kind: SubmissionKind;
  readonly values: readonly unknown[];
  readonly traceparent: string | undefined;
  slots: Slot[];
}

export type AcceptVerdict =
  | { readonly accepted: true; readonly id: string; readonly lane: Lane; readonly sequence: number }
  | { readonly accepted: false; readonly error: BackhaulError };

export interface AcceptAnswer {
  readonly epoch: string;
  /** in the order sent */
  readonly verdicts: readonly AcceptVerdict[];
}

/**
 * Takes messages of an integrator: all that are good become durable in one commit, then all are answered. A bad one is refused
 * alone. Throws BH-E-SPOOL-FULL, BH-E-SPOOL-STOPPED when nothing can be taken now; then none was.
 */
export async function acceptMessages(
  context: AcceptContext,
  kind: SubmissionKind,
  values: readonly unknown[],
  traceparent?: string,
): Promise<AcceptAnswer> {
  if (values.length > LIMITS.messages)
    throw new BackhaulError('BH-E-LIMIT-MESSAGES', { detail: `${values.length} messages` });
  const batch: Batch = { kind, values, traceparent, slots: [] };
  await context.accepting.during(() => goThrough(batch, context));
  return { epoch: context.outbox.epoch, verdicts: batch.slots.map(verdictOf) };
}

async function goThrough(batch: Batch, context: AcceptContext): Promise<void> {
  for (const stage of ACCEPT_STAGES) {
    const waiting = stage(batch, context);
    if (waiting) await waiting;
  }
}

function parse(batch: Batch): void {
  batch.slots = batch.values.map((value) => orRefusal(() => ({ submission: readSubmission(batch.kind, value) })));
}

function normalise(batch: Batch, { directory, clock }: AcceptContext): void {
  const now = clock.now();
  batch.slots = batch.slots.map((slot) =>
    'submission' in slot
      ? orRefusal(() => ({ draft: draftOf(slot.submission, directory, now, batch.traceparent) }))
      : slot,
  );
}

/** Together with whatever else has come meanwhile: resolves when what got a place is durable. */
async function numberAndCommit(batch: Batch, { gathering }: AcceptContext): Promise<void> {
  const drafts = batch.slots.flatMap((slot) => ('draft' in slot ? [slot.draft] : []));
  if (drafts.length === 0) return;
  const places = (await gathering.commit(drafts)).values();
  batch.slots = batch.slots.map((slot) => ('draft' in slot ? slotOf(places.next().value) : slot));
}

/** [rule 2] reached only after the commit: what the caller sends is true. */
function answer(_batch: Batch): void {}

function slotOf(result: Placed | BackhaulError | undefined): Slot {
  if (result === undefined) return { refusal: new BackhaulError('BH-E-INTERNAL') };
  return result instanceof BackhaulError ? { refusal: result } : { placed: result };
}

function verdictOf(slot: Slot): AcceptVerdict {
  if ('placed' in slot) return { accepted: true, ...slot.placed };
  return { accepted: false, error: 'refusal' in slot ? slot.refusal : new BackhaulError('BH-E-INTERNAL') };
}

function orRefusal(attempt: () => Slot): Slot {
  try {
    return attempt();
  } catch (error) {
    return { refusal: toBackhaulError(error) };
  }
}

/** The normalised form: checked against its class, about a known support instance, its body written. */
function draftOf(submission: Submission, directory: Directory, now: number, traceparent: string | undefined): Draft {
  const instance = directory.instance(submission.instance);
  if (instance === undefined)
    throw new BackhaulError('BH-E-NOT-FOUND', { detail: `support instance ${submission.instance}; register it first` });
  const content = checkContent(submission.class, submission.subclass, contentOf(submission, now), submission.data);
  const { classification, lane } = describeClass(submission.class, submission.subclass, content);
  if (classification === 'infrastructure-administration') {
    throw new BackhaulError('BH-E-FORBIDDEN', {
      detail: `${submission.class}/${submission.subclass} is made by the network itself`,
    });
  }
  const eventKey = eventKeyOf(submission, instance, content);
  return {
    class: submission.class,
    subclass: submission.subclass,
    classification,
    content: written(content),
    lane: (submission.precedence as Lane | undefined) ?? lane,
    persistent: submission.persistent ?? true,
    instance: instance.id,
    via: instance.integrator,
    supersedeKey: supersedeKeyOf(submission, instance),
    sourceType: instance.platform,
    ...(submission.expiresInMs === undefined ? {} : { expiresInMs: submission.expiresInMs }),
    ...(eventKey === undefined ? {} : { eventKey }),
    ...(traceparent === undefined ? {} : { traceparent }),
  };
}

/** Of one instance only: `s17/link-state`. */
function supersedeKeyOf(submission: Submission, { id }: InstanceRecord): string | undefined {
  if (submission.kind !== 'data' || submission.supersedeKey === undefined) return undefined;
  return `${id.slice(id.lastIndexOf('.') + 1)}/${submission.supersedeKey}`;
}

function contentOf(submission: Submission, now: number): Content {
  if (submission.kind === 'data') return dataOf(submission);
  const payload = payloadOf(submission);
  const common = {
    severity: submission.severity,
    instance: submission.instance,
    occurredAt: submission.occurredAt ?? now,
    ...(submission.location === undefined ? {} : { location: submission.location }),
    text: submission.text,
    ...(payload === undefined ? {} : { data: payload }),
  };
  if (submission.kind === 'events')
    return { type: 'event', eventId: submission.eventId, ...common } satisfies EventContent;
  return { type: 'alarm', alarmId: submission.alarmId, state: submission.state, ...common } satisfies Alarm;
}

function dataOf(submission: { data?: unknown; content?: DataElement | undefined }): Data {
  const payload = payloadOf(submission);
  if (payload === undefined)
    throw new BackhaulError('BH-E-SCHEMA', { detail: 'data: missing (or content, for other types than JSON)' });
  return { type: 'data', ...payload };
}

function payloadOf({ data, content }: { data?: unknown; content?: DataElement | undefined }): DataElement | undefined {
  if (data === undefined) return content;
  if (content !== undefined)
    throw new BackhaulError('BH-E-SCHEMA', { detail: 'content: data is there too; send one of them' });
  return jsonElement(data);
}

/**
 * `<platform>/<management id>/<event id>`: the same event through two redundant proxies has the same key. Of an alarm each
 * change is an event of its own, also when the platform gives all of them one id: its key ends in state and severity, and
 * without an id it begins with the condition and the time it happened.
 */
function eventKeyOf(
  submission: Submission,
  { platform, managementId }: InstanceRecord,
  content: Content,
): string | undefined {
  const about = `${platform}/${managementId}`;
  if (content.type === 'alarm') {
    const occurrence = submission.eventId ?? `${content.alarmId}@${content.occurredAt}`;
    return `${about}/${occurrence}/${content.state}/${content.severity}`;
  }
  return submission.eventId === undefined ? undefined : `${about}/${submission.eventId}`;
}
