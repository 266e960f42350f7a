import { createServer, type Server } from 'node:net';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { type TemporaryDirectory, temporaryDirectory } from '@backhaul/testkit';
import { nodeFlags } from '../../../scripts/pinned-node.mjs';

/** How an application server is started that tells of arrivals. */
export const ARRIVALS_APPSERVER: readonly string[] = [
  ...nodeFlags({ sources: false }),
  fileURLToPath(new URL('arrivals-appserver.ts', import.meta.url)),
];

/** The Unix socket by which it tells, for its environment. */
export const ARRIVALS_SOCKET = 'BACKHAUL_BENCH_ARRIVALS';

/** Hears from the application server what it has committed, and when. */
export class ArrivalsListener {
  readonly #folder: TemporaryDirectory;
  readonly #server: Server;
  #arrived = new Map<string, number>();
  #expected = Number.POSITIVE_INFINITY;
  #done: (arrived: ReadonlyMap<string, number>) => void = () => {};

  private constructor(folder: TemporaryDirectory) {
    this.#folder = folder;
    this.#server = createServer((socket) => {
      createInterface({ input: socket }).on('line', (line) => this.#take(line));
      socket.on('error', () => {});
    });
  }

  static async start(): Promise<ArrivalsListener> {
    const listener = new ArrivalsListener(await temporaryDirectory('bh-arrivals-'));
    await new Promise<void>((resolve) => listener.#server.listen(listener.#path, resolve));
    return listener;
  }

  get environment(): NodeJS.ProcessEnv {
    return { [ARRIVALS_SOCKET]: this.#path };
  }

  /** Resolves when so many more messages are committed: steady ms by message ID. */
  expect(messages: number): Promise<ReadonlyMap<string, number>> {
    this.#arrived = new Map();
    this.#expected = messages;
    return new Promise((resolve) => (this.#done = resolve));
  }

  async stop(): Promise<void> {
    this.#server.close();
    await this.#folder.remove();
  }

  get #path(): string {
    return join(this.#folder.path, 'arrivals.sock');
  }

  #take(line: string): void {
    const [id, at] = line.split(' ');
    this.#arrived.set(id!, Number(at));
    if (this.#arrived.size === this.#expected) this.#done(this.#arrived);
  }
}
