/** A system that Backhaul is compared with: two hops, store and forward where it can, started from installed programs. */
export interface Peer {
  /** `nats-always` */
  readonly name: string;
  /** `NATS JetStream leaf → hub, sync_interval: always` */
  readonly title: string;
  /** what its acknowledgement is worth, in words */
  readonly durability: string;
  /** how it was set and how its client is used, in words */
  readonly settings: string;
  /** why it cannot run on this machine; undefined when it can */
  missing(): string | undefined;
  /** Everything it writes goes into the folder. */
  start(folder: string): Promise<RunningPeer>;
}

export interface RunningPeer {
  readonly version: string;
  /** process ID by what it is; those below it belong to it */
  readonly processes: Readonly<Record<string, number>>;
  readonly client: ClientAddress;
  /** By process ID. */
  stop(): Promise<void>;
}

/** Which client program speaks to it, and where. */
export interface ClientAddress {
  readonly kind: 'nats' | 'rabbitmq' | 'mosquitto' | 'nginx';
  /** where messages are handed in */
  readonly in: string;
  /** where they come out */
  readonly out: string;
}

/** How the npm client of a peer is used; it runs in processes of its own. */
export interface PeerClient {
  /** messages handed in and not acknowledged yet */
  readonly window: number;
  produce(address: ClientAddress): Promise<Producer>;
  /** Calls back for each message, in the final consumer, and acknowledges it. */
  consume(address: ClientAddress, arrived: (message: Uint8Array) => void): Promise<void>;
}

export interface Producer {
  /** Resolves when the system has acknowledged the message. */
  send(message: Uint8Array): Promise<unknown>;
}
