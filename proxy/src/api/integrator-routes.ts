import { isAtOrBelow } from '@backhaul/identity';
import { BackhaulError } from '@backhaul/runtime';
import { commitChanges, type Store } from '@backhaul/spool';
import { Router } from 'express';
import { type AcceptAnswer, type AcceptContext, type AcceptVerdict, acceptMessages } from '../accept/accept-path.ts';
import type { SubmissionKind } from '../accept/submission.ts';
import { instanceRequest, integratorRequest } from '../directory/directory-records.ts';
import type { Liveness } from '../directory/liveness.ts';
import type { Registrar } from '../directory/registrar.ts';
import type { CommandBoard } from '../downward/command-board.ts';
import { answerDraft } from '../downward/command-handler.ts';
import type { ProxyMetrics } from '../proxy-metrics.ts';
import {
  commandQuery,
  commandResponseRequest,
  heartbeatRequest,
  instanceQuery,
  readBody,
  readQuery,
} from './requests.ts';

export interface IntegratorRoutesOptions {
  readonly self: string;
  readonly accept: AcceptContext;
  readonly registrar: Registrar;
  readonly liveness: Liveness;
  readonly board: CommandBoard;
  readonly metrics: ProxyMetrics;
  readonly status: () => unknown;
  /** aborts when the API stops: long polls end */
  readonly stopping: AbortSignal;
}

/** Everything an integrator may ask, documented in docs/integrator-api.md. */
export function integratorRoutes(options: IntegratorRoutesOptions): Router {
  const router = Router({ strict: true, caseSensitive: true });
  registrationRoutes(router, options);
  for (const kind of ['alarms', 'events', 'data'] as const) messageRoute(router, kind, options);
  heartbeatRoute(router, options);
  commandRoutes(router, options);
  router.get('/v1/status', (_request, response) => void response.json(options.status()));
  return router;
}

function registrationRoutes(router: Router, { registrar, liveness, accept }: IntegratorRoutesOptions): void {
  router.post('/v1/integrators', async (request, response) => {
    const { id } = await registrar.registerIntegrator(readBody(integratorRequest, request.body));
    liveness.heardIntegrator(id);
    response.status(201).json({ id });
  });
  router.post('/v1/instances', async (request, response) => {
    const { id, integrator } = await registrar.registerInstance(readBody(instanceRequest, request.body));
    liveness.heardIntegrator(integrator);
    response.status(201).json({ id });
  });
  router.get('/v1/instances', (request, response) => {
    const { integrator, cursor, limit } = readQuery(instanceQuery, request.query);
    const all = accept.directory
      .instances()
      .filter((instance) => integrator === undefined || instance.integrator === integrator);
    const from = cursor === undefined ? 0 : all.findIndex(({ id }) => id === cursor) + 1;
    const items = all.slice(from, from + limit);
    response.json({ items, nextCursor: from + limit < all.length ? items.at(-1)?.id : null });
  });
}

function messageRoute(
  router: Router,
  kind: SubmissionKind,
  { accept, liveness, metrics }: IntegratorRoutesOptions,
): void {
  router.post(`/v1/${kind}`, async (request, response) => {
    const { values, single } = submissionsOf(request.body);
    const answer = await acceptMessages(accept, kind, values, traceparentOf(request.headers.traceparent));
    countVerdicts(answer, kind, metrics);
    noteSigns(values, answer, accept, liveness);
    const [first] = answer.verdicts;
    if (single && first?.accepted === false) throw first.error; // nothing else was in the request
    response.status(202).json({ epoch: answer.epoch, verdicts: answer.verdicts.map(verdictJson) }); // after the commit
  });
}

/** One object, an array, or `{messages: […]}`. */
function submissionsOf(body: unknown): { values: readonly unknown[]; single: boolean } {
  if (Array.isArray(body)) return { values: notEmpty(body), single: false };
  if (typeof body !== 'object' || body === null)
    throw new BackhaulError('BH-E-JSON', { detail: 'one message, an array of messages, or {"messages": […]}' });
  if (!('messages' in body)) return { values: [body], single: true };
  if (!Array.isArray(body.messages) || Object.keys(body).length > 1)
    throw new BackhaulError('BH-E-SCHEMA', { detail: 'messages: an array, and nothing beside it' });
  return { values: notEmpty(body.messages), single: false };
}

function notEmpty(values: unknown[]): unknown[] {
  if (values.length === 0) throw new BackhaulError('BH-E-SCHEMA', { detail: 'messages: at least one' });
  return values;
}

/** A malformed trace context is dropped, as W3C says; it is no reason to lose data. */
function traceparentOf(header: string | string[] | undefined): string | undefined {
  return typeof header === 'string' && /^00-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}$/.test(header) ? header : undefined;
}

function verdictJson(verdict: AcceptVerdict): object {
  if (verdict.accepted) return verdict;
  const { code, sentence, detail, retryable, retryAfterMs } = verdict.error;
  return {
    accepted: false,
    code,
    title: sentence,
    ...(detail === undefined ? {} : { detail }),
    retryable,
    ...(retryAfterMs === undefined ? {} : { retryAfterMs }),
  };
}

function countVerdicts({ verdicts }: AcceptAnswer, kind: SubmissionKind, metrics: ProxyMetrics): void {
  const accepted = verdicts.filter((verdict) => verdict.accepted).length;
  if (accepted > 0) metrics.accepted.inc({ kind }, accepted);
  for (const verdict of verdicts) if (!verdict.accepted) metrics.refused.inc({ code: verdict.error.code });
}

/** Each instance and its integrator once for the whole request. */
function noteSigns(
  values: readonly unknown[],
  { verdicts }: AcceptAnswer,
  { directory }: AcceptContext,
  liveness: Liveness,
): void {
  const instances = new Set(
    values.flatMap((value, index) => (verdicts[index]?.accepted ? [(value as { instance: string }).instance] : [])),
  );
  for (const id of instances) {
    liveness.touchedInstance(id);
    const integrator = directory.instance(id)?.integrator;
    if (integrator !== undefined) liveness.heardIntegrator(integrator);
  }
}

function heartbeatRoute(router: Router, { accept, liveness }: IntegratorRoutesOptions): void {
  router.post('/v1/heartbeats', (request, response) => {
    const { integrator, instances } = readBody(heartbeatRequest, request.body);
    mustKnowIntegrator(accept, integrator);
    const unknown = instances.find(({ id }) => accept.directory.instance(id) === undefined);
    if (unknown !== undefined) throw new BackhaulError('BH-E-NOT-FOUND', { detail: `support instance ${unknown.id}` });
    liveness.heardIntegrator(integrator);
    for (const instance of instances) liveness.heardInstance(instance);
    response.status(204).end();
  });
}

function commandRoutes(router: Router, { self, accept, board, liveness, stopping }: IntegratorRoutesOptions): void {
  router.get('/v1/commands', async (request, response) => {
    const { integrator, wait } = readQuery(commandQuery, request.query);
    mustKnowIntegrator(accept, integrator);
    liveness.heardIntegrator(integrator);
    const gone = new AbortController();
    response.once('close', () => gone.abort());
    const commands = await board.take(integrator, wait * 1000, AbortSignal.any([gone.signal, stopping]));
    response.json({
      commands: commands.map(({ id, instance, subclass, parameters, expiresAt }) => ({
        id,
        instance,
        command: subclass,
        parameters,
        ...(expiresAt === undefined ? {} : { expiresAt }),
      })),
    });
  });
  router.post('/v1/commands/:id/response', async (request, response) => {
    const { data, code, ...answer } = readBody(commandResponseRequest, request.body);
    const command = board.pending(request.params.id);
    if (command === undefined || !isAtOrBelow(command.instance, self))
      throw new BackhaulError('BH-E-NOT-FOUND', { detail: 'no such command waits for an answer' });
    const draft = answerDraft(
      { header: command },
      { ...answer, ...(code === undefined ? {} : { code }), ...(data === undefined ? {} : { data }) },
    );
    await settleCommand(accept, board, command.id, draft);
    response.status(202).json({ id: command.id });
  });
}

/** The answer goes up and the command leaves the board in one commit. */
async function settleCommand(
  { outbox, store }: { outbox: AcceptContext['outbox']; store: Store },
  board: CommandBoard,
  id: string,
  draft: ReturnType<typeof answerDraft>,
): Promise<void> {
  await commitChanges(store, [board.stageRemove(id), ...outbox.stage([draft]).changes]);
}

function mustKnowIntegrator({ directory }: AcceptContext, id: string): void {
  if (directory.integrator(id) === undefined)
    throw new BackhaulError('BH-E-NOT-FOUND', { detail: `integrator ${id}; register it first` });
}
