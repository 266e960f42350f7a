import { BackhaulError } from '@backhaul/runtime';
import type { Router } from 'express';
import { type AcceptAnswer, type AcceptVerdict, acceptMessages } from '../accept/accept-path.ts';
import type { SubmissionKind } from '../accept/submission.ts';
import type { ProxyMetrics } from '../proxy-metrics.ts';
import type { IntegratorRoutesOptions } from './integrator-routes.ts';

const KINDS = ['alarms', 'events', 'data'] as const;

/** Alarms, events and data: one, or a batch of up to 256 in one commit. */
export function messageRoutes(router: Router, options: IntegratorRoutesOptions): void {
  for (const kind of KINDS) messageRoute(router, kind, options);
}

function messageRoute(router: Router, kind: SubmissionKind, options: IntegratorRoutesOptions): void {
  router.post(`/v1/${kind}`, async (request, response) => {
    const { values, single } = submissionsOf(request.body);
    const answer = await acceptMessages(options.accept, kind, values, traceparentOf(request.headers.traceparent));
    countVerdicts(answer, kind, options.metrics);
    noteSigns(values, answer, options);
    const [first] = answer.verdicts;
    if (single && first?.accepted === false) throw first.error; // nothing else was in the request
    response.status(202).json({ epoch: answer.epoch, verdicts: answer.verdicts.map(verdictJson) }); // after the commit
  });
}

/** One object, an array, or `{messages: […]}`. */
function submissionsOf(body: unknown): { values: readonly unknown[]; single: boolean } {
  if (Array.isArray(body)) return { values: notEmpty(body), single: false };
  if (typeof body !== 'object' || body === null) {
    throw new BackhaulError('BH-E-JSON', { detail: 'one message, an array of messages, or {"messages": […]}' });
  }
  if (!('messages' in body)) return { values: [body], single: true };
  if (!Array.isArray(body.messages) || Object.keys(body).length > 1) {
    throw new BackhaulError('BH-E-SCHEMA', { detail: 'messages: an array, and nothing beside it' });
  }
  return { values: notEmpty(body.messages), single: false };
}

function notEmpty(values: unknown[]): unknown[] {
  if (values.length === 0) throw new BackhaulError('BH-E-SCHEMA', { detail: 'messages: at least one' });
  return values;
}

/** A malformed trace context is dropped, as W3C says; it is no reason to lose data. */
function traceparentOf(header: string | string[] | undefined): string | undefined {
  const good = typeof header === 'string' && /^00-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}$/.test(header);
  return good ? header : undefined;
}

function verdictJson(verdict: AcceptVerdict): object {
  if (verdict.accepted) return verdict;
  const { code, sentence, detail, retryable, retryAfterMs } = verdict.error;
  return { accepted: false, code, title: sentence, detail, retryable, retryAfterMs }; // JSON leaves out what is undefined
}

function countVerdicts({ verdicts }: AcceptAnswer, kind: SubmissionKind, metrics: ProxyMetrics): void {
  const accepted = verdicts.filter((verdict) => verdict.accepted).length;
  if (accepted > 0) metrics.accepted.inc({ kind }, accepted);
  for (const verdict of verdicts) if (!verdict.accepted) metrics.refused.inc({ code: verdict.error.code });
}

/** A message is a sign of its instance and of the integrator that feeds it; each once for the whole request. */
function noteSigns(
  values: readonly unknown[],
  { verdicts }: AcceptAnswer,
  { accept, liveness }: IntegratorRoutesOptions,
): void {
  const instances = new Set(
    values.flatMap((value, index) => (verdicts[index]?.accepted ? [(value as { instance: string }).instance] : [])),
  );
  for (const id of instances) {
    liveness.touchedInstance(id);
    const integrator = accept.directory.instance(id)?.integrator;
    if (integrator !== undefined) liveness.heardIntegrator(integrator);
  }
}
