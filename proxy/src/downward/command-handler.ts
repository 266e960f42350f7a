import {
  commandParameters,
  jsonElement,
  LANES,
  type Message,
  type MessageResponse,
  payloadOf,
  readContent,
} from '@backhaul/envelope';
import { BackhaulError, toBackhaulError } from '@backhaul/runtime';
import { type Draft, written } from '@backhaul/transport';
import type { Directory } from '../directory/directory.ts';
import type { CommandBoard, FirstResult } from './command-board.ts';
import type { Effect } from './effect.ts';

export interface CommandHandlerOptions {
  readonly self: string;
  readonly directory: Directory;
  readonly board: CommandBoard;
  /** answers of `get-status` and `get-configuration`, as JSON */
  readonly status: () => unknown;
  readonly configuration: () => unknown;
}

/**
 * Commands: those to the proxy are answered here and now; those to a support instance go to the board of the integrator that
 * feeds it, and are answered `accepted` until it has done them.
 */
export class CommandHandler {
  readonly #options: CommandHandlerOptions;

  constructor(options: CommandHandlerOptions) {
    this.#options = options;
  }

  /** `expiresAt`: wall ms here. Never throws: what cannot be done is answered as refused. */
  handle(message: Message, expiresAt: number | undefined): Effect {
    try {
      const { parameters } = payloadOf(commandParameters, readContent(message.body));
      const instance = this.#target(message);
      if (instance !== undefined) return this.#forIntegrator(message, instance, parameters, expiresAt);
      return { drafts: [answerDraft(message, this.#own(message.header.subclass))], changes: [] };
    } catch (thrown) {
      return { drafts: [answerDraft(message, refusal(toBackhaulError(thrown)))], changes: [] };
    }
  }

  /** The support instance a command is for, by its destination or by the instance its header is about; none: the proxy itself. */
  #target({ header }: Message): string | undefined {
    const destination = header.destination?.kind === 'component' ? header.destination.id : this.#options.self;
    return destination === this.#options.self ? header.instance : destination;
  }

  #own(command: string): Answer {
    switch (command) {
      case 'ping':
        return { status: 'done', text: 'the proxy is here' };
      case 'get-status':
        return { status: 'done', text: 'status of the proxy', data: this.#options.status() };
      case 'get-configuration':
        return {
          status: 'done',
          text: 'effective configuration of the proxy, without secrets',
          data: this.#options.configuration(),
        };
      default:
        throw new BackhaulError('BH-E-COMMAND-UNKNOWN', { detail: command });
    }
  }

  #forIntegrator(message: Message, instance: string, parameters: unknown, expiresAt: number | undefined): Effect {
    const record = this.#options.directory.instance(instance);
    if (record === undefined)
      throw new BackhaulError('BH-E-TARGET', { detail: `${instance} is not registered at this proxy` });
    const { id, class: cls, subclass, eventKey } = message.header;
    const first = this.#options.board.firstResult(eventKey);
    if (first !== undefined) return { drafts: [answerDraft(message, resultOf(first))], changes: [] };
    if (this.#options.board.pendingTwin(eventKey) !== undefined) {
      const text = `handed to ${record.integrator} already: it came by another path before`;
      return { drafts: [answerDraft(message, { status: 'accepted', text })], changes: [] };
    }
    const added = this.#options.board.stageAdd({
      ...{ id, integrator: record.integrator, instance, class: cls, subclass, parameters: parameters ?? {} },
      ...(eventKey === undefined ? {} : { eventKey }),
      ...(expiresAt === undefined ? {} : { expiresAt }),
    });
    return {
      drafts: [answerDraft(message, { status: 'accepted', text: `handed to ${record.integrator}` })],
      changes: [added],
    };
  }
}

function resultOf({ id: _id, eventKey: _eventKey, ...answer }: FirstResult): Answer {
  return answer;
}

export interface Answer {
  readonly status: MessageResponse['status'];
  readonly text: string;
  readonly code?: string;
  readonly retryable?: boolean;
  readonly data?: unknown;
}

export function refusal(error: BackhaulError): Answer {
  const text = error.detail === undefined ? error.sentence : `${error.sentence} (${error.detail})`;
  return { status: 'refused', code: error.code, retryable: error.retryable, text };
}

/** The message response to a command: same class and subclass, going up. A command nobody knows is answered too. */
export function answerDraft({ header }: AnsweredCommand, { data, ...answer }: Answer): Draft {
  const content: MessageResponse = {
    type: 'messageResponse',
    request: header.id,
    ...answer,
    ...(data === undefined ? {} : { data: jsonElement(data) }),
  };
  return {
    class: header.class,
    subclass: header.subclass,
    classification: 'infrastructure-administration',
    lane: LANES.normal,
    content: written(content),
    inReplyTo: header.id,
    ...(header.instance === undefined ? {} : { instance: header.instance }),
  };
}

interface AnsweredCommand {
  readonly header: {
    readonly id: string;
    readonly class: string;
    readonly subclass: string;
    readonly instance?: string;
  };
}
