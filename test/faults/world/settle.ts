import type { RoleProcess } from '../../fleet/role-process.ts';
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
  /** [I12] what still waits somewhere after all this time, each a line */
  readonly waiting: readonly string[];
}

/** Pauses the load, waits until nothing is under way any more, and asks the oracle and the ledger. */
export async function settle(world: World, drainLimitMs = DRAIN_LIMIT_MS): Promise<Judgement> {
  const before = performance.now();
  await world.load.pause();
  const left = () => drainLimitMs - (performance.now() - before);
  let waiting = await waitingIn(world);
  for (; left() > 0 && waiting.length > 0; waiting = await waitingIn(world)) await pause(LOOK_MS);
  for (;;) {
    const verdict = await askOracle(world.journal, world.database);
    const unexplained = await readUnexplained(world);
    const judgement = { verdict, unexplained, waiting, drainMs: performance.now() - before };
    if (isWell(judgement) || left() <= 0) return judgement;
    await pause(1_000);
  }
}

export function isWell({ verdict, unexplained, waiting }: Judgement): boolean {
  const faults = [verdict.messages, verdict.commands].flatMap((part) => Object.values(faultsOf(part)));
  return unexplained === 0 && waiting.length === 0 && faults.every((count) => count === 0);
}

/** Nothing waits in a proxy or in the MLM, nothing is missing above. */
export async function isQuiet(world: World): Promise<boolean> {
  return (await waitingIn(world)).length === 0;
}

/** Nothing waits at this one. */
export async function isDrained(role: RoleProcess): Promise<boolean> {
  return (await waitingAt(role)).length === 0;
}

const WAITING = /^backhaul_(?:proxy_spool|mlm_spool|mlm_held|mlm_mailbox)_messages$/;

async function waitingIn(world: World): Promise<string[]> {
  const roles = await Promise.all([...world.fleet.proxies, world.fleet.mlm].map(waitingAt));
  const unexplained = await readUnexplained(world);
  return [...roles.flat(), ...(unexplained === 0 ? [] : [`the ledger does not explain ${unexplained}`])];
}

async function waitingAt(role: RoleProcess): Promise<string[]> {
  try {
    const figures = [...(await role.metrics())];
    return figures
      .filter(([name, value]) => WAITING.test(name) && value > 0)
      .map(([name, value]) => `${role.name}: ${name} ${value}`);
  } catch (error) {
    return [`${role.name} does not answer: ${(error as Error).message}`];
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
