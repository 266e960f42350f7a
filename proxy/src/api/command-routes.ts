import { BackhaulError } from '@backhaul/runtime';
import { commitChanges } from '@backhaul/spool';
import type { Response, Router } from 'express';
import type { CommandBoard, PendingCommand } from '../downward/command-board.ts';
import { answerDraft } from '../downward/command-handler.ts';
import { goneSignal } from './gone-signal.ts';
import type { IntegratorRoutesOptions } from './integrator-routes.ts';
import { mustKnowIntegrator } from './registration-routes.ts';
import { commandQuery, commandResponseRequest, readBody, readQuery } from './requests.ts';

/** Commands for integrators: asked for by long poll, answered one by one. */
export function commandRoutes(router: Router, { accept, board, liveness, stopping }: IntegratorRoutesOptions): void {
  router.get('/v1/commands', async (request, response) => {
    const { integrator, wait } = readQuery(commandQuery, request.query);
    mustKnowIntegrator(accept.directory, integrator);
    liveness.heardIntegrator(integrator);
    const commands = await board.take(integrator, wait * 1000, AbortSignal.any([goneSignal(response), stopping]));
    if (stopping.aborted && commands.length === 0) throw new BackhaulError('BH-E-DRAINING');
    sendCommands(response, commands, board);
  });
  router.post('/v1/commands/:id/response', async (request, response) => {
    const { data, code, ...rest } = readBody(commandResponseRequest, request.body);
    const answer = { ...rest, ...(code === undefined ? {} : { code }), ...(data === undefined ? {} : { data }) };
    const command = board.pending(request.params.id);
    if (command === undefined)
      throw new BackhaulError('BH-E-NOT-FOUND', { detail: 'no such command waits for an answer' });
    const up = accept.outbox.stageAll([answerDraft({ header: command }, answer)], [], { receipts: true });
    await commitChanges(accept.store, [board.stageAnswered(command, answer), ...up]); // it goes up and leaves the board in one
    response.status(202).json({ id: command.id });
  });
}

function sendCommands(response: Response, commands: readonly PendingCommand[], board: CommandBoard): void {
  if (response.closed) board.giveBack(commands);
  response.once('close', () => {
    if (!response.writableFinished) board.giveBack(commands);
  });
  response.json({ commands: commands.map(commandJson) });
}

function commandJson({ id, instance, subclass, parameters, expiresAt }: PendingCommand): object {
  return { id, instance, command: subclass, parameters, expiresAt };
}
