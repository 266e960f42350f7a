import { type ChildProcess, fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import type { ClientAddress } from '../peers/peer.ts';
import type { Answer, Done, Order } from './client-orders.ts';

const PROGRAM = fileURLToPath(new URL('client-main.ts', import.meta.url));

/** The producer or the final consumer of a peer. */
export class ClientProcess {
  readonly #child: ChildProcess;
  readonly #side: string;

  private constructor(side: string, child: ChildProcess) {
    this.#side = side;
    this.#child = child;
  }

  /** Resolves when it is connected. */
  static async start(side: 'produce' | 'consume', address: ClientAddress): Promise<ClientProcess> {
    const child = fork(PROGRAM, [side, JSON.stringify(address)], { stdio: ['ignore', 2, 2, 'ipc'] });
    const process = new ClientProcess(side, child);
    await process.#answer();
    return process;
  }

  get pid(): number {
    return this.#child.pid ?? 0;
  }

  /** One order at a time. */
  async carryOut(order: Order): Promise<Done> {
    const answer = this.#answer();
    this.#child.send(order);
    return (await answer) as Done;
  }

  async stop(): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    const exited = new Promise((resolve) => this.#child.once('exit', resolve));
    this.#child.kill('SIGKILL');
    await exited;
  }

  #answer(): Promise<Answer> {
    return new Promise((resolve, reject) => {
      const ended = (code: number | null) => reject(new Error(`the client (${this.#side}) ended with ${code}`));
      this.#child.once('exit', ended);
      this.#child.once('message', (answer) => {
        this.#child.off('exit', ended);
        resolve(answer as Answer);
      });
    });
  }
}
