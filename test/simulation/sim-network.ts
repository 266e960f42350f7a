import { Readable } from 'node:stream';
import { WIRE_VERSION } from '@backhaul/envelope';
import type { Identity } from '@backhaul/identity';
import { BackhaulError } from '@backhaul/runtime';
import {
  type Answer,
  LINK_TIMEOUTS,
  type Parent,
  type ParentConnection,
  type PostOptions,
  readAnswer,
  WIRE_HEADERS,
} from '@backhaul/transport';
import type { Incarnation } from './incarnation.ts';
import type { Simulator } from './simulator.ts';

export interface LineRequest {
  readonly from: Identity;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Buffer;
  readonly gone: AbortSignal;
}

export interface LineAnswer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Buffer;
}

/** Whoever takes requests on the simulated network, during one life of its process. */
export interface LineServer {
  readonly life: Incarnation;
  answer(request: LineRequest): Promise<LineAnswer>;
}

/** What the line between a child and its parent does to the next exchange. */
export interface LineConditions {
  latencyMs(): number;
  /** nothing passes */
  isCut(child: string, parent: string): boolean;
  losesRequest(): boolean;
  losesReply(): boolean;
  duplicates(): boolean;
  /** a stall before something is handed over, 0 for none, ms */
  stallMs(): number;
  /** a peer that went away is noticed at once (reset), or only by the timeout */
  isReset(): boolean;
}

/** One request under way. */
interface Exchange {
  readonly parent: string;
  fail(reason: string): void;
  /** the server's side of it: aborts when the client goes away */
  readonly gone: AbortController;
}

/** All lines of the world: who listens, what is under way, how many bytes went where. */
export class SimNetwork {
  readonly #sim: Simulator;
  readonly #conditions: LineConditions;
  readonly #servers = new Map<string, LineServer>();
  readonly #underWay = new Map<LineServer, Set<Exchange>>();
  readonly figures = { requests: 0, lostRequests: 0, lostReplies: 0, duplicates: 0, cut: 0, bytes: 0 };

  constructor(sim: Simulator, conditions: LineConditions) {
    this.#sim = sim;
    this.#conditions = conditions;
  }

  listen(node: string, server: LineServer): void {
    this.#servers.set(node, server);
    this.#underWay.set(server, new Set());
  }

  /** The process is gone: what it was answering is never answered. */
  hangUp(node: string): void {
    const server = this.#servers.get(node);
    if (server === undefined) return;
    this.#servers.delete(node);
    for (const exchange of this.#underWay.get(server) ?? []) this.#later(node, () => exchange.fail('reset'));
    this.#underWay.delete(server);
  }

  connect(life: Incarnation, self: Identity, parent: Parent): ParentConnection {
    return new SimConnection(this, life, self, parent);
  }

  send(child: string, parent: string, request: Omit<LineRequest, 'gone'>, end: Ending): () => void {
    this.figures.requests++;
    const gone = new AbortController();
    const attempt = (isCopy: boolean): void => {
      if (this.#conditions.isCut(child, parent)) {
        this.figures.cut++;
        if (!isCopy && this.#conditions.isReset()) this.#later(child, () => end.fail('no route'));
      } else if (this.#conditions.losesRequest()) {
        this.figures.lostRequests++;
        if (!isCopy && this.#conditions.isReset()) this.#later(child, () => end.fail('reset'));
      } else this.#arrive(child, parent, { ...request, gone: gone.signal }, gone, isCopy ? NOBODY : end);
    };
    this.#later(`${child}>${parent}`, () => attempt(false));
    if (this.#conditions.duplicates()) {
      this.figures.duplicates++;
      const delay = this.#conditions.latencyMs() * 7;
      this.#sim.schedule(delay, `${child}>${parent} again`, () => attempt(true));
    }
    return () => this.#later(`${child}>${parent} gone`, () => gone.abort());
  }

  #arrive(child: string, parent: string, request: LineRequest, gone: AbortController, end: Ending): void {
    const server = this.#servers.get(parent);
    if (server === undefined) this.#later(child, () => end.fail('connection refused'));
    if (server === undefined || request.gone.aborted) return;
    this.figures.bytes += request.body.length;
    this.#sim.trace.text(child);
    this.#sim.trace.bytes(request.body);
    const underWay = this.#underWay.get(server)!;
    const exchange: Exchange = { parent, gone, fail: end.fail };
    underWay.add(exchange);
    void server.answer(request).then((answer) => {
      if (!server.life.alive) return;
      underWay.delete(exchange);
      this.#reply(child, parent, answer, end);
    });
  }

  #reply(child: string, parent: string, answer: LineAnswer, end: Ending): void {
    this.figures.bytes += answer.body.length;
    const isLost = this.#conditions.losesReply();
    this.#later(
      `${parent}>${child}`,
      () => {
        if (isLost || this.#conditions.isCut(child, parent)) {
          this.figures.lostReplies++;
          if (this.#conditions.isReset()) end.fail('reset');
        } else {
          this.#sim.trace.bytes(answer.body);
          end.done(answer);
        }
      },
      this.#conditions.stallMs(),
    );
  }

  #later(label: string, action: () => void, stallMs = 0): void {
    this.#sim.schedule(this.#conditions.latencyMs() + stallMs, label, action);
  }
}

interface Ending {
  done(answer: LineAnswer): void;
  fail(reason: string): void;
}

const NOBODY: Ending = { done: () => {}, fail: () => {} };

/** The way to a parent over the simulated network; the answer is read as from HTTP. */
class SimConnection implements ParentConnection {
  readonly parent: Parent;
  accepts: string | undefined;
  greeted = false;
  readonly #network: SimNetwork;
  readonly #life: Incarnation;
  readonly #self: Identity;

  constructor(network: SimNetwork, life: Incarnation, self: Identity, parent: Parent) {
    this.#network = network;
    this.#life = life;
    this.#self = self;
    this.parent = parent;
  }

  async post(body: Buffer, headers: Record<string, string>, options: PostOptions): Promise<Answer> {
    const { status, headers: told, body: bytes } = await this.#exchange(body, headers, options);
    return await readAnswer(status, told, bytes);
  }

  async artifact() {
    return { statusCode: 404, headers: {}, body: Readable.from([]) };
  }

  async close(): Promise<void> {}

  #exchange(body: Buffer, headers: Record<string, string>, { signal, answerMs }: PostOptions): Promise<LineAnswer> {
    return new Promise((resolve, reject) => {
      const life = this.#life;
      let settled = false;
      const settle = (action: () => void): void => {
        if (settled || !life.alive) return;
        settled = true;
        timer.cancel();
        signal.removeEventListener('abort', aborted);
        action();
      };
      const fail = (reason: string) => settle(() => reject(unreachable(reason)));
      const aborted = (): void => {
        leave();
        fail('given up');
      };
      const timer = life.after(answerMs ?? LINK_TIMEOUTS.answerMs, 'no answer', () => {
        leave();
        fail('no answer');
      });
      if (signal.aborted) return fail('given up');
      signal.addEventListener('abort', aborted);
      const end = { done: (answer: LineAnswer) => settle(() => resolve(answer)), fail };
      const length = { 'content-length': String(body.length) };
      const full = { [WIRE_HEADERS.version]: WIRE_VERSION, ...length, ...headers };
      const leave = this.#network.send(life.node, this.parent.id, { from: this.#self, headers: full, body }, end);
    });
  }
}

function unreachable(detail: string): BackhaulError {
  return new BackhaulError('BH-E-PARENT-UNREACHABLE', { detail });
}
