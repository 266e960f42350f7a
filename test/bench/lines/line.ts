/** Something that carries messages over two hops, while it runs: Backhaul, or one of its peers. */
export interface Line {
  readonly title: string;
  readonly version: string;
  /** what its acknowledgement is worth, in words */
  readonly durability: string;
  /** process ID by what it is, those that hand in and receive among them */
  readonly processes: Readonly<Record<string, number>>;
  /** of those, the ones that store: whose syncs count */
  readonly stores: readonly number[];
  /** As fast as they are acknowledged, counted at the final consumer; messages a second. */
  run(messages: number): Promise<number>;
  /** So many a second; from handing in to the final consumer, ms of each message. */
  latencies(messages: number, perSecond: number): Promise<readonly number[]>;
  /** By process ID; works twice. */
  stop(): Promise<void>;
}
