/** How a workload is asked to run. */
export interface WorkloadOrder {
  /** pairs of runs, ours and theirs in turn; the workload's own number unless given */
  readonly pairs?: number | undefined;
  /** few and small: is everything still in its place? */
  readonly quick: boolean;
  /** a line for whoever waits */
  readonly say: (line: string) => void;
}

/** One thing measured of two systems in turn, in one run: the ratio of each pair is what counts. */
export interface Comparison {
  /** `throughput, batches up to 256` */
  readonly what: string;
  /** `messages/s` */
  readonly unit: string;
  /** `RabbitMQ, classic queue, confirms, shovel` */
  readonly peer: string;
  /** what an acknowledgement of each is worth, in words */
  readonly durability: { readonly ours: string; readonly theirs: string };
  /** the largest number of messages that one request, one acknowledgement and one sync may carry */
  readonly batch?: { readonly ours: number; readonly theirs: number };
  /** fsync and fdatasync on the way from the producer to the consumer, all processes together, as strace saw them */
  readonly syncsPerMessage?: { readonly ours: number | undefined; readonly theirs: number | undefined };
  readonly pairs: readonly { readonly ours: number; readonly theirs: number }[];
  /** the ratio ours/theirs that we want, and whether more or less is better */
  readonly aim?: { readonly better: 'more' | 'less'; readonly reach: number; readonly goFor: number };
}

/** A table that is no comparison with a peer: a curve, bytes of a message. */
export interface Figures {
  readonly title: string;
  readonly columns: readonly string[];
  readonly rows: readonly (readonly (string | number)[])[];
}

export interface WorkloadResult {
  readonly workload: string;
  /** what was done, a sentence or two */
  readonly setting: string;
  readonly comparisons: readonly Comparison[];
  readonly figures: readonly Figures[];
  /** peers and parts that this machine lacks, each with the reason */
  readonly missing: readonly string[];
  readonly seconds: number;
}

export interface Workload {
  /** for the command line: `thin-line` */
  readonly name: string;
  readonly title: string;
  /** about how long, minutes */
  readonly minutes: number;
  run(order: WorkloadOrder): Promise<Omit<WorkloadResult, 'workload' | 'seconds'>>;
}
