/** What a suite is asked to do: its share of one shard. */
export interface SuiteOrder {
  /** faults to inject */
  readonly count: number;
  /** everything random comes from it; the same seed gives the same faults */
  readonly seed: number;
  /** which part of the whole this is; `{ index: 1, of: 1 }` when there is but one */
  readonly shard: { readonly index: number; readonly of: number };
  /** a line for whoever waits */
  readonly progress: (line: string) => void;
}

/** What a suite has found. Everything but `faults` and `notes` must be 0. */
export interface SuiteResult {
  /** faults that were injected */
  readonly faults: number;
  /** messages accepted and never seen again, without a receipt */
  readonly lost: number;
  /** messages with more than one effect */
  readonly duplicated: number;
  /** sequence numbers of which nobody can say what became of them */
  readonly unexplained: number;
  /** damage that was neither corrected nor reported; bytes delivered that nobody had handed in */
  readonly undetected: number;
  /** restarts that needed a person, or took too long */
  readonly refusedToStart: number;
  /** messages that were accepted and are accounted for, where a suite counts them */
  readonly messages?: number;
  /** sequence numbers of a fleet by what became of them, as `backhaul ledger` says at the end */
  readonly ledger?: Readonly<Record<string, number>>;
  /** other figures and what could not be run here, each a short line */
  readonly notes: readonly string[];
  /** what is wrong, each a line with what repeats it; empty when all is well */
  readonly failures?: readonly string[];
}

/**
 * One kind of fault with its own way of injecting it and its own judgement. Those on bare stores are `STORE_SUITES` of
 * `store/store-suites.ts`, a list of these; those on a running fleet stand in `tiers/`.
 */
export interface FaultSuite {
  /** short, for `--only`: `crash-states` */
  readonly name: string;
  /** a line for the table: `replayed crash states` */
  readonly title: string;
  /** faults of the gate, and of the whole night over all shards */
  readonly counts: { readonly gate: number; readonly nightly: number };
  /** why it cannot be run on this machine; undefined when it can */
  readonly missing?: () => string | undefined | Promise<string | undefined>;
  run(order: SuiteOrder): Promise<SuiteResult>;
}
