import { type Logger, Metrics, type Random, toBackhaulError } from '@backhaul/runtime';
import { answerExchange, exchangeContext, type RelayHandler, refusalAnswer } from '@backhaul/transport';
import type { Incarnation } from '../incarnation.ts';
import type { LineAnswer, LineRequest, LineServer } from '../sim-network.ts';

/** What a listener holds of request bodies at one time, as the real one does. */
const RECEIVED_BYTES = 256 * 1024 * 1024;

export interface SimServerOptions {
  readonly self: string;
  readonly handler: RelayHandler;
  readonly life: Incarnation;
  readonly random: Random;
  readonly logger: Logger;
  /** told of a refusal of a whole request */
  readonly onRefused: (from: string, error: unknown) => void;
}

export interface SimServer extends LineServer {
  /** a child was revoked: its held poll ends, its links are forgotten */
  disconnect(child: string): void;
  /** answers nothing new, ends held polls */
  drain(): void;
}

/** The receiving side of a hop on the simulated network: the real exchange, without HTTP around it. */
export function simServer(options: SimServerOptions): SimServer {
  const { self, handler, life, random, logger } = options;
  let draining = false;
  const context = exchangeContext({
    ...{ self, handler, clock: life.clock, random, logger, receivedBytes: RECEIVED_BYTES },
    metrics: new Metrics('mlm'),
    handling: () => 0,
    draining: () => draining,
  });

  async function answer({ from, headers, body, gone }: LineRequest): Promise<LineAnswer> {
    try {
      const peer = { identity: from, address: from.id };
      handler.admit(peer);
      const received = { bytes: body, wireBytes: body.length };
      return await answerExchange(context, { peer, headers, body: async () => received, gone });
    } catch (thrown) {
      options.onRefused(from.id, thrown);
      return refusalAnswer(toBackhaulError(thrown));
    }
  }

  return {
    life,
    answer,
    disconnect: (child) => {
      context.holds.end(child);
      context.order.forget(child);
    },
    drain: () => {
      draining = true;
      context.holds.endAll();
    },
  };
}
