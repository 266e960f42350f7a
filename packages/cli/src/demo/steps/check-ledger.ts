import { z } from 'zod';
import { waitUntil } from '../../wait-until.ts';
import type { DemoStep } from '../demo-steps.ts';
import { notInTime } from '../not-in-time.ts';
import { readLineBytes } from '../summary.ts';

const LIMIT_MS = 45_000;
const LOOK_EVERY_MS = 400;

const shape = z.looseObject({ items: z.array(z.looseObject({})), unexplained: z.number(), inFlight: z.number() });

/** Of every message number the application server can say what became of it, once what is on its way has arrived. */
export const checkLedger: DemoStep = {
  does: 'explain what became of every message',
  run: async (run) => {
    const ask = () => run.api.get('/ledger', shape);
    const hasArrived = ({ unexplained, inFlight }: z.infer<typeof shape>) => unexplained + inFlight === 0;
    const { answer } = await waitUntil(run.cli.clock, ask, hasArrived, {
      timeoutMs: LIMIT_MS,
      everyMs: LOOK_EVERY_MS,
    });
    const unexplained = answer.unexplained + answer.inFlight;
    run.result.ledger = { unexplained, messages: sumOf(answer.items, 'through') };
    Object.assign(run.result.bytes, await readLineBytes(run));
    if (unexplained !== 0) throw notInTime(`${unexplained} messages are unexplained`, run.folder.file('logs'));
    return `ledger: ${run.result.ledger.messages} messages, none unexplained`;
  },
};

function sumOf(items: readonly Record<string, unknown>[], key: string): number {
  return items.reduce((sum, item) => sum + (typeof item[key] === 'number' ? item[key] : 0), 0);
}
