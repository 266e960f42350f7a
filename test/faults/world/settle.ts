import { faultsOf } from '../../invariants/total-queue.ts';
import type { OracleVerdict } from '../oracle/main.ts';
import { askOracle } from '../oracle/oracle.ts';
import type { World } from './world.ts';

/** After the faults have stopped, everything must have come to its end within this time. */
const DRAIN_LIMIT_MS = 120_000;
const LOOK_MS = 250;

export interface Judgement {
  readonly verdict: OracleVerdict;
  /** by the ledger of the application server */
  readonly unexplained: number;
  readonly drainMs: number;
}

/** Pauses the load, waits until nothing is under way any more, and asks the oracle and the ledger. */
export async function settle(world: World, drainLimitMs = DRAIN_LIMIT_MS): Promise<Judgement> {
  const before = performance.now();
  await world.load.pause();
  const left = () => drainLimitMs - (performance.now() - before);
  while (left() > 0 && !(await isQuiet(world))) await pause(LOOK_MS);
  for (;;) {
    const verdict = await askOracle(world.journal, world.database);
    const unexplained = await readUnexplained(world);
    const judgement = { verdict, unexplained, drainMs: performance.now() - before };
    if (isWell(judgement) || left() <= 0) return judgement;
    await pause(1_000);
  }
}

export function isWell({ verdict, unexplained }: Judgement): boolean {
  const faults = [verdict.messages, verdict.commands].flatMap((part) => Object.values(faultsOf(part)));
  return unexplained === 0 && faults.every((count) => count === 0);
}

/** Nothing waits in a proxy or in the MLM, nothing is missing above. */
export async function isQuiet({ fleet }: World): Promise<boolean> {
  try {
    const figures = await Promise.all([...fleet.proxies, fleet.mlm].map((role) => role.metrics()));
    const waiting = figures.map(
      (values) =>
        (values.get('backhaul_proxy_spool_messages') ?? values.get('backhaul_mlm_spool_messages') ?? 0) +
        (values.get('backhaul_mlm_held_messages') ?? 0) +
        (values.get('backhaul_mlm_mailbox_messages') ?? 0),
    );
    return waiting.every((count) => count === 0) && missing(await fleet.api<Ledger>('GET', '/ledger')) === 0;
  } catch {
    return false;
  }
}

interface Ledger {
  readonly inFlight: number;
  readonly unexplained: number;
}

/** Nothing is under way any more when this is asked: what the ledger calls in flight is missing, too. */
const missing = ({ inFlight, unexplained }: Ledger): number => inFlight + unexplained;

/** One that does not answer explains nothing. */
async function readUnexplained({ fleet }: World): Promise<number> {
  try {
    return missing(await fleet.api<Ledger>('GET', '/ledger'));
  } catch {
    return Number.POSITIVE_INFINITY;
  }
}

export function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
