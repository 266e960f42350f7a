import { expiryHere, type Header, type Message } from '@backhaul/envelope';
import { isAtOrBelow } from '@backhaul/identity';
import { BackhaulError, type Clock, type Logger, toBackhaulError } from '@backhaul/runtime';
import { commitChanges, type Spool, type Store } from '@backhaul/spool';
import {
  type DownwardHandler,
  isDeadLetterCommand,
  type Outbox,
  type PreparedAnswer,
  prepareDeadLetterCommand,
} from '@backhaul/transport';
import type { LateRejections } from '../notices/late-rejections.ts';
import type { ProxyMetrics } from '../proxy-metrics.ts';
import { answerDraft, type CommandHandler, refusal } from './command-handler.ts';
import type { Effect } from './effect.ts';
import type { MailboxMark, SeenMessages } from './seen-messages.ts';

export interface DownwardOptions {
  readonly self: string;
  readonly store: Store;
  readonly outbox: Outbox;
  readonly seen: SeenMessages;
  readonly commands: CommandHandler;
  readonly spool: Spool;
  readonly rejections: LateRejections;
  readonly offers: { handle(message: Message, expiresAt: number | undefined): Effect };
  readonly clock: Clock;
  readonly logger: Logger;
  readonly metrics: ProxyMetrics;
}

/** One message from above, with the time it has here. */
interface Arrival {
  readonly message: Message;
  readonly now: number;
  readonly expiresAt: number | undefined;
  /** what was read beforehand for commands about dead letters, by message */
  readonly letters: ReadonlyMap<string, PreparedAnswer>;
  /** dead letters that commands of this page have taken */
  readonly taken: Set<number>;
}

type Step = (options: DownwardOptions, arrival: Arrival) => Effect | undefined;

/** The way of a message from above: a step that throws has it refused, the first with an effect ends it. */
export const DOWNWARD_STEPS = [checkTarget, checkExpiry, noteRejection, actOnDeadLetter, doCommand, takeOffer] as const;

/** Takes what the parent has for this proxy: effects, answers, ids and the mailbox mark in one commit [B3]. */
export class Downward implements DownwardHandler {
  readonly #options: DownwardOptions;

  constructor(options: DownwardOptions) {
    this.#options = options;
  }

  acknowledged(): MailboxMark {
    return this.#options.seen.mark;
  }

  /** Everything up to the commit stands in one tick; the poll after it acknowledges [B2]. */
  async receive(messages: readonly Message[], mailbox: MailboxMark): Promise<void> {
    const { store, outbox, seen, logger } = this.#options;
    const letters = await this.#readDeadLetters(messages);
    const fresh = unique(messages).filter(({ header }) => !seen.has(header.id));
    const taken = new Set<number>();
    const effects = fresh.map((message) => this.#effect(message, { letters, taken }));
    // an answer is an account: a full spool does not hold up what comes from above
    const staged = outbox.stage(
      effects.flatMap(({ drafts }) => drafts),
      { receipts: true },
    );
    for (const result of staged.results)
      if (result instanceof BackhaulError) logger.error({ error: result }, 'an answer could not be written');
    const ids = fresh.map(({ header }) => header.id);
    const changes = effects.flatMap((effect) => effect.changes);
    await commitChanges(store, [...changes, ...staged.changes, seen.stage(ids, mailbox)]); // [B3]
    for (const { header } of fresh) this.#options.metrics.received.inc({ class: labelOf(header.class) });
    for (const { after } of effects) after?.();
  }

  /** The steps decide in one tick, so what a command asks of the store is read before. */
  async #readDeadLetters(messages: readonly Message[]): Promise<ReadonlyMap<string, PreparedAnswer>> {
    const { spool, self } = this.#options;
    const asked = messages.filter(({ header }) => isDeadLetterCommand(header) && isForSelf(header, self));
    const answers = asked.map(
      async (message) => [message.header.id, await prepareDeadLetterCommand(spool, message)] as const,
    );
    return new Map(await Promise.all(answers));
  }

  #effect(message: Message, page: Pick<Arrival, 'letters' | 'taken'>): Effect {
    const { header } = message;
    this.#options.logger.info(
      { id: header.id, class: header.class, subclass: header.subclass },
      'a message from above',
    );
    try {
      const now = this.#options.clock.now();
      const arrival = { message, now, expiresAt: expiryHere(header, now), ...page };
      for (const step of DOWNWARD_STEPS as readonly Step[]) {
        const effect = step(this.#options, arrival);
        if (effect !== undefined) return effect;
      }
      throw new BackhaulError('BH-E-CLASS', { detail: `${header.class}/${header.subclass} is not taken by a proxy` });
    } catch (thrown) {
      return this.#refused(message, toBackhaulError(thrown));
    }
  }

  /** Only a command is answered: another class has no response of its own, and the log tells. */
  #refused(message: Message, error: BackhaulError): Effect {
    const { header } = message;
    this.#options.logger.warn(
      { id: header.id, class: header.class, subclass: header.subclass, code: error.code, detail: error.detail },
      'a message from above was refused',
    );
    if (header.class !== 'command') return { drafts: [], changes: [] };
    const answer = error.code === 'BH-E-EXPIRED' ? { ...refusal(error), status: 'expired' as const } : refusal(error);
    return { drafts: [answerDraft(message, answer)], changes: [] };
  }
}

function unique(messages: readonly Message[]): Message[] {
  return [...new Map(messages.map((message) => [message.header.id, message])).values()];
}

/** Groups were expanded by the parent; a component or a list must name this proxy or something below it. */
function checkTarget({ self }: DownwardOptions, { message }: Arrival): undefined {
  const { destination } = message.header;
  if (destination === undefined) throw new BackhaulError('BH-E-TARGET', { detail: 'no destination' });
  if (destination.kind === 'component' && !isAtOrBelow(destination.id, self))
    throw new BackhaulError('BH-E-TARGET', { detail: destination.id });
  if (destination.kind === 'list' && !destination.ids.includes(self))
    throw new BackhaulError('BH-E-TARGET', { detail: 'not in the list' });
}

function checkExpiry(_options: DownwardOptions, { now, expiresAt }: Arrival): undefined {
  if (expiresAt !== undefined && expiresAt <= now) throw new BackhaulError('BH-E-EXPIRED');
}

function noteRejection({ rejections }: DownwardOptions, { message }: Arrival): Effect | undefined {
  const { class: cls, subclass } = message.header;
  return cls === 'infrastructure' && subclass === 'rejection' ? rejections.ofParent(message.body) : undefined;
}

/** Only ever of this proxy's own spool. */
function actOnDeadLetter(_options: DownwardOptions, { message, letters, taken }: Arrival): Effect | undefined {
  const answer = letters.get(message.header.id)?.(taken);
  if (answer === undefined) return undefined;
  const { result, ...outcome } = answer.outcome;
  const data = result === undefined ? {} : { data: result };
  return { drafts: [...answer.drafts, answerDraft(message, { ...outcome, ...data })], changes: answer.changes };
}

/** Not for a support instance, which an integrator answers for. */
function isForSelf({ destination, instance }: Header, self: string): boolean {
  const target = destination?.kind === 'component' ? destination.id : self;
  return target === self && instance === undefined;
}

function doCommand({ commands }: DownwardOptions, { message, expiresAt }: Arrival): Effect | undefined {
  return message.header.class === 'command' ? commands.handle(message, expiresAt) : undefined;
}

function takeOffer({ offers }: DownwardOptions, { message, expiresAt }: Arrival): Effect | undefined {
  const { class: cls, subclass } = message.header;
  return cls === 'software' && subclass === 'offer' ? offers.handle(message, expiresAt) : undefined;
}

/** Metric labels are a small, fixed set whatever comes down. */
function labelOf(cls: string): string {
  return cls === 'command' || cls === 'software' ? cls : 'other';
}
