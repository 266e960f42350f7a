import { BackhaulError, type Clock, isErrorCode } from '@backhaul/runtime';
import { Agent, request } from 'undici';

const ATTEMPTS = 8;
const FIRST_WAIT_MS = 500;
const LONGEST_WAIT_MS = 15_000;
/** Commands whose answers are remembered. */
const REMEMBERED = 1_000;
const ANSWER_TIMEOUT_MS = 60_000;

export interface IntegratorCommand {
  readonly id: string;
  readonly command: string;
  readonly instance: string;
  readonly parameters: unknown;
}

export interface IntegratorNotice {
  readonly number: number;
  /** of the message that was lost */
  readonly id: string;
  readonly class: string;
  readonly subclass: string;
  readonly instance?: string;
  readonly eventKey?: string;
  readonly reason: string;
  readonly code?: string;
  /** which component, and when by its clock */
  readonly by: string;
  readonly at: number;
}

export interface CommandAnswer {
  readonly status: 'done' | 'failed' | 'refused';
  readonly text: string;
  readonly data?: unknown;
}

/**
 * The public integrator API over its Unix socket, as any other integrator would use it: nothing of the proxy's inside is
 * shared. What may be retried is retried with the wait the proxy gave; a final refusal is thrown as a BackhaulError.
 */
export class IntegratorClient {
  readonly #agent: Agent;
  readonly #clock: Clock;
  readonly #signal: AbortSignal;
  /** answers given, by command */
  readonly #done = new Map<string, CommandAnswer>();

  constructor(options: { socketPath: string; clock: Clock; signal: AbortSignal }) {
    this.#agent = new Agent({
      connect: { socketPath: options.socketPath },
      bodyTimeout: ANSWER_TIMEOUT_MS,
      headersTimeout: ANSWER_TIMEOUT_MS,
    });
    this.#clock = options.clock;
    this.#signal = options.signal;
  }

  async registerIntegrator(integrator: { name: string; platform: string; version: string }): Promise<string> {
    return ((await this.#send('POST', '/v1/integrators', integrator)) as { id: string }).id;
  }

  async registerInstance(instance: {
    integrator: string;
    platform: string;
    managementId: string;
    name: string;
    type: string;
    labels?: Record<string, string>;
  }): Promise<string> {
    return ((await this.#send('POST', '/v1/instances', instance)) as { id: string }).id;
  }

  /** Resolves when the proxy holds all of them durably. */
  async send(kind: 'alarms' | 'events' | 'data', messages: readonly object[]): Promise<void> {
    if (messages.length === 0) return;
    const { verdicts } = (await this.#send('POST', `/v1/${kind}`, { messages })) as {
      verdicts: { accepted: boolean; code?: string; detail?: string }[];
    };
    const refused = verdicts.find((verdict) => !verdict.accepted);
    if (refused) throw new BackhaulError(codeOf(refused.code), { detail: refused.detail ?? '' });
  }

  async heartbeat(integrator: string, instances: readonly { id: string; state: string }[]): Promise<void> {
    await this.#send('POST', '/v1/heartbeats', { integrator, instances });
  }

  /** Waits up to `waitSeconds` for commands to this integrator's instances; those that were done already are only answered again. */
  async commands(integrator: string, waitSeconds: number): Promise<readonly IntegratorCommand[]> {
    const path = `/v1/commands?integrator=${encodeURIComponent(integrator)}&wait=${waitSeconds}`;
    const { commands } = (await this.#send('GET', path)) as { commands: IntegratorCommand[] };
    const fresh = commands.filter(({ id }) => !this.#done.has(id));
    for (const { id } of commands) if (this.#done.has(id)) await this.#tell(id, this.#done.get(id)!);
    return fresh;
  }

  /** What became of this integrator's messages after they were accepted; `after`: the last number seen. */
  async notices(integrator: string, after: number, waitSeconds: number): Promise<readonly IntegratorNotice[]> {
    const path = `/v1/notices?integrator=${encodeURIComponent(integrator)}&after=${after}&wait=${waitSeconds}`;
    return ((await this.#send('GET', path)) as { notices: IntegratorNotice[] }).notices;
  }

  /** The answer is remembered: a command that comes again because it got lost is answered with it, and not done twice. */
  async answer(commandId: string, answer: CommandAnswer): Promise<void> {
    this.#done.delete(commandId);
    if (this.#done.size >= REMEMBERED) this.#done.delete(this.#done.keys().next().value!);
    this.#done.set(commandId, answer);
    await this.#tell(commandId, answer);
  }

  async #tell(commandId: string, answer: CommandAnswer): Promise<void> {
    await this.#send('POST', `/v1/commands/${encodeURIComponent(commandId)}/response`, answer);
  }

  async close(): Promise<void> {
    await this.#agent.destroy();
  }

  async #send(method: 'GET' | 'POST', path: string, body?: object): Promise<unknown> {
    for (let attempt = 1; ; attempt++) {
      try {
        return await this.#once(method, path, body);
      } catch (error) {
        const refusal =
          error instanceof BackhaulError ? error : new BackhaulError('BH-E-UNREACHABLE', { cause: error });
        if (!refusal.retryable || attempt >= ATTEMPTS || this.#signal.aborted) throw refusal;
        const backoff = Math.min(FIRST_WAIT_MS * 2 ** (attempt - 1), LONGEST_WAIT_MS);
        await this.#clock.sleep(refusal.retryAfterMs ?? backoff, this.#signal);
      }
    }
  }

  async #once(method: 'GET' | 'POST', path: string, body?: object): Promise<unknown> {
    const answer = await request(`http://proxy${path}`, {
      method,
      dispatcher: this.#agent,
      signal: this.#signal,
      ...(body === undefined ? {} : { body: JSON.stringify(body), headers: { 'content-type': 'application/json' } }),
    });
    const value = await answer.body.json().catch(() => ({}));
    if (answer.statusCode < 300) return value;
    throw refusalOf(value as Problem);
  }
}

interface Problem {
  readonly code?: string;
  readonly detail?: string;
  readonly retryAfterMs?: number;
}

function refusalOf({ code, detail, retryAfterMs }: Problem): BackhaulError {
  return new BackhaulError(codeOf(code), {
    ...(detail === undefined ? {} : { detail }),
    ...(retryAfterMs === undefined ? {} : { retryAfterMs }),
  });
}

function codeOf(code: string | undefined) {
  return code !== undefined && isErrorCode(code) ? code : 'BH-E-INTERNAL';
}
