import { connect, type Socket } from 'node:net';

export interface LineReply {
  readonly status: number;
  /** status line and headers, lower case */
  readonly head: string;
  readonly body: Buffer;
}

interface Waiting {
  resolve(reply: LineReply): void;
  reject(error: Error): void;
}

const END_OF_HEAD = Buffer.from('\r\n\r\n');
const NOTHING = Buffer.alloc(0);

/**
 * One kept connection that carries one HTTP request at a time. It reads what our listener writes (a head, Content-Length, a
 * body) and no more of HTTP, so that thousands of them cost the machine little beside the process that is measured.
 */
export class HttpLine {
  readonly #socket: Socket;
  #received: Buffer[] = [];
  #receivedBytes = 0;
  #head: { text: string; from: number; through: number; status: number } | undefined;
  #waiting: Waiting | undefined;
  #ended: Error | undefined;

  constructor(host: string, port: number, localAddress: string) {
    this.#socket = connect({ host, port, localAddress, noDelay: true });
    this.#socket.on('data', (chunk) => this.#take(chunk));
    this.#socket.on('error', (error) => this.#end(error));
    this.#socket.on('close', () => this.#end(new Error('the connection was closed')));
  }

  exchange(head: string, body: Buffer = NOTHING): Promise<LineReply> {
    if (this.#ended !== undefined) return Promise.reject(this.#ended);
    if (this.#waiting !== undefined) return Promise.reject(new Error('one request at a time'));
    return new Promise((resolve, reject) => {
      this.#waiting = { resolve, reject };
      this.#socket.write(Buffer.concat([Buffer.from(`${head}content-length: ${body.length}\r\n\r\n`, 'latin1'), body]));
    });
  }

  close(): void {
    this.#socket.destroy();
  }

  #take(chunk: Buffer): void {
    this.#received.push(chunk);
    this.#receivedBytes += chunk.length;
    this.#head ??= this.#readHead();
    if (this.#head === undefined || this.#receivedBytes < this.#head.through) return;
    const { text, from, through, status } = this.#head;
    const body = this.#whole().subarray(from, through);
    const waiting = this.#waiting;
    this.#received = [];
    this.#receivedBytes = 0;
    this.#head = undefined;
    this.#waiting = undefined;
    waiting?.resolve({ status, head: text, body });
  }

  #readHead() {
    const whole = this.#whole();
    const end = whole.indexOf(END_OF_HEAD);
    if (end < 0) return undefined;
    const text = whole.toString('latin1', 0, end).toLowerCase();
    const from = end + END_OF_HEAD.length;
    const length = Number(/\r\ncontent-length: *(\d+)/.exec(text)?.[1] ?? 0);
    return { text, from, through: from + length, status: Number(text.slice(9, 12)) };
  }

  #whole(): Buffer {
    if (this.#received.length > 1) this.#received = [Buffer.concat(this.#received)];
    return this.#received[0] ?? NOTHING;
  }

  #end(error: Error): void {
    this.#ended ??= error;
    this.#waiting?.reject(error);
    this.#waiting = undefined;
  }
}
