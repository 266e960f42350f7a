import type { IncomingMessage, RequestListener, ServerResponse } from 'node:http';
import { BackhaulError } from '@backhaul/runtime';
import { type AcceptAnswer, type AcceptVerdict, acceptMessages } from '../accept/accept-path.ts';
import type { SubmissionKind } from '../accept/submission.ts';
import type { ProxyMetrics } from '../proxy-metrics.ts';
import type { IntegratorRoutesOptions } from './integrator-routes.ts';
import { answerProblem } from './problem.ts';
import type { Stage } from './stage.ts';

const KINDS = new Map<string | undefined, SubmissionKind>([
  ['/v1/alarms', 'alarms'],
  ['/v1/events', 'events'],
  ['/v1/data', 'data'],
]);

/**
 * `POST` of alarms, events and data: one, or a batch of up to 256 in one commit. In front of Express, whose router costs more than
 * the rest of a small request; everything else goes on to it. The stages are the same for both.
 */
export function submissionDoor(
  stages: readonly Stage[],
  options: IntegratorRoutesOptions,
  others: RequestListener,
): RequestListener {
  const accept = async (request: IncomingMessage, response: ServerResponse, kind: SubmissionKind): Promise<void> => {
    try {
      for (const stage of stages) await passed(stage, request, response);
      const body = await acceptBody(kind, (request as { body?: unknown }).body, request.headers.traceparent, options);
      const text = JSON.stringify(body);
      response
        .writeHead(202, {
          'Content-Type': 'application/json; charset=utf-8',
          'Content-Length': Buffer.byteLength(text),
        })
        .end(text); // after the commit
    } catch (thrown) {
      answerProblem(options.logger, thrown, request, response);
    }
  };
  return (request, response) => {
    const kind = request.method === 'POST' ? KINDS.get(request.url?.split('?', 1)[0]) : undefined;
    if (kind === undefined) others(request, response);
    else void accept(request, response, kind);
  };
}

function passed(stage: Stage, request: IncomingMessage, response: ServerResponse): Promise<void> {
  return new Promise((resolve, reject) =>
    stage(request, response, (error) => (error === undefined ? resolve() : reject(error))),
  );
}

async function acceptBody(
  kind: SubmissionKind,
  body: unknown,
  traceparent: string | string[] | undefined,
  options: IntegratorRoutesOptions,
): Promise<object> {
  const { values, single } = submissionsOf(body);
  const answer = await acceptMessages(options.accept, kind, values, traceparentOf(traceparent));
  countVerdicts(answer, kind, options.metrics);
  noteSigns(values, answer, options);
  const [first] = answer.verdicts;
  if (single && first?.accepted === false) throw first.error; // nothing else was in the request
  return { epoch: answer.epoch, verdicts: answer.verdicts.map(verdictJson) };
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
