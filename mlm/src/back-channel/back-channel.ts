import {
  type Destination,
  expiryHere,
  LIMITS,
  type Message,
  membership as membershipSchema,
  payloadOf,
  readContent,
  rejection as rejectionSchema,
  revocation as revocationSchema,
} from '@backhaul/envelope';
import { BackhaulError, type Clock, type Logger, toBackhaulError } from '@backhaul/runtime';
import { type Change, commitChanges, type Spool, type Store } from '@backhaul/spool';
import {
  type DownwardHandler,
  type Draft,
  isDeadLetterCommand,
  type Outbox,
  type PreparedAnswer,
  prepareDeadLetterCommand,
  written,
} from '@backhaul/transport';
import type { RoomyMailboxes } from '../mailbox-room.ts';
import type { MemberTree } from '../membership/member-tree.ts';
import type { Membership } from '../membership/membership.ts';
import type { Transfers } from '../transfers/transfers.ts';
import type { DownMarks } from './down-marks.ts';
import { destinationText, expand, membersBelow } from './expansion.ts';
import { type Outcome, outcomeDraft } from './outcomes.ts';
import { answerCommand, type SelfDescription } from './own-commands.ts';

export interface BackChannelOptions {
  /** id of this MLM */
  readonly self: string;
  readonly store: Store;
  readonly spool: Spool;
  readonly mailboxes: RoomyMailboxes;
  readonly membership: Membership;
  readonly marks: DownMarks;
  readonly own: Outbox;
  readonly transfers: Pick<Transfers, 'stageOffer'>;
  readonly description: SelfDescription;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** What one message from above brings about. */
interface Effect {
  readonly changes: readonly Change[];
  readonly drafts: readonly Draft[];
}

/** One page of the parent's mailbox on its way to one commit. */
interface Page {
  readonly now: number;
  /** what was read beforehand for commands about dead letters, by message */
  readonly answers: ReadonlyMap<string, PreparedAnswer>;
  /** dead letters that commands of this page have taken */
  readonly taken: Set<number>;
  /** as the messages before this one in the page have left it */
  tree: MemberTree;
  /** who was given a message of this page, which no mailbox shows yet */
  readonly given: Map<string, readonly string[]>;
}

const NOTHING: Effect = { changes: [], drafts: [] };

/** The way of a message from above; the first step that has an answer ends it. */
export const DOWNWARD_STEPS = [
  refuseLoop,
  refuseExpired,
  takeMembership,
  takeRejection,
  takeRevocation,
  doCommand,
  takeOffer,
  deliver,
] as const;

type Step = (options: BackChannelOptions, page: Page, message: Message) => Effect | undefined;

/**
 * What the parent sends down. All messages of a page, every mailbox of every member, the marks of what was seen and the
 * acknowledgement due to the parent are one commit [B2, DESIGN §5]; a message that comes again is known by its id [B3].
 */
export class BackChannel implements DownwardHandler {
  readonly #options: BackChannelOptions;

  constructor(options: BackChannelOptions) {
    this.#options = options;
  }

  acknowledged(): { epoch: string; through: number } {
    return this.#options.marks.mailbox;
  }

  async receive(messages: readonly Message[], mailbox: { epoch: string; through: number }): Promise<void> {
    const { store, marks, own, membership, clock, logger } = this.#options;
    const answers = await this.#readDeadLetters(messages);
    const page: Page = { now: clock.now(), answers, taken: new Set(), tree: membership.tree, given: new Map() };
    const fresh = unique(messages).filter(({ header }) => marks.find(header.id) === undefined);
    const effects = fresh.map((message) => this.#effectOf(page, message));
    const taken = fresh.map(({ header }) => ({ header, expiresAt: expiryHere(header, page.now) }));
    const said = own.stage(
      effects.flatMap(({ drafts }) => drafts),
      { receipts: true }, // an answer is an account: a full spool must not hold up what comes from above
    );
    for (const result of said.results)
      if (result instanceof BackhaulError) logger.error({ error: result }, 'an answer could not be written');
    const deliveries = effects.flatMap(({ changes }) => changes);
    await commitChanges(store, [...deliveries, ...said.changes, marks.stage(taken, mailbox, page.now)]); // [B2]
  }

  /** The steps decide in one tick, so what a command asks of the store is read before. */
  async #readDeadLetters(messages: readonly Message[]): Promise<ReadonlyMap<string, PreparedAnswer>> {
    const { spool } = this.#options;
    const asked = messages.filter(({ header }) => isDeadLetterCommand(header));
    const answers = asked.map(
      async (message) => [message.header.id, await prepareDeadLetterCommand(spool, message)] as const,
    );
    return new Map(await Promise.all(answers));
  }

  /** One that fails is answered and left behind: it would stop everything that comes after it. */
  #effectOf(page: Page, message: Message): Effect {
    const { header } = message;
    try {
      for (const step of DOWNWARD_STEPS as readonly Step[]) {
        const effect = step(this.#options, page, message);
        if (effect !== undefined) return { ...effect, drafts: effect.drafts.map(writtenNow) };
      }
      return NOTHING;
    } catch (thrown) {
      const { code, detail, sentence, retryable } = toBackhaulError(thrown);
      if (retryable && code !== 'BH-E-INTERNAL') throw thrown; // no disk space: the page is asked for again [B2]
      this.#options.logger.warn({ id: header.id, class: header.class, code, detail }, 'a message from above failed');
      return answer(message, { status: 'failed', code, text: detail ?? sentence });
    }
  }
}

/** Here an answer that is too large is still answered: that it could not be given. */
function writtenNow(draft: Draft): Draft {
  return 'bytes' in draft.content ? draft : { ...draft, content: written(draft.content) };
}

/** [E2] */
function refuseLoop({ self }: BackChannelOptions, _page: Page, message: Message): Effect | undefined {
  const { routing } = message.header;
  if (routing.length < LIMITS.hops && !routing.some(({ id }) => id === self)) return undefined;
  return answer(message, { status: 'refused', code: 'BH-E-LOOP', text: `it has passed ${self} before` });
}

function refuseExpired(_options: BackChannelOptions, page: Page, message: Message): Effect | undefined {
  const expiresAt = expiryHere(message.header, page.now);
  if (expiresAt === undefined || expiresAt > page.now) return undefined;
  return answer(message, { status: 'expired', code: 'BH-E-EXPIRED', text: 'past its time when it arrived' });
}

/** Counts for the messages behind it in the same page, too. */
function takeMembership(
  { self, membership, logger }: BackChannelOptions,
  page: Page,
  message: Message,
): Effect | undefined {
  const { header, body } = message;
  if (header.class !== 'infrastructure' || header.subclass !== 'membership' || !isFor(message, self)) return undefined;
  const document = payloadOf(membershipSchema, readContent(body));
  const staged = membership.stage(document, page.tree);
  if (staged === undefined) return NOTHING;
  page.tree = staged.tree;
  logger.info({ version: document.version, components: document.components.length }, 'membership received');
  return { changes: [staged.change], drafts: [] };
}

/** That something of this MLM itself was lost above is for its log; the receipt has it. What is for others goes on to them. */
function takeRejection({ self, logger }: BackChannelOptions, _page: Page, message: Message): Effect | undefined {
  if (!isRejection(message) || !isFor(message, self)) return undefined;
  const { items } = payloadOf(rejectionSchema, readContent(message.body));
  logger.warn({ lost: items.length, first: items[0] }, 'messages of this MLM were lost above');
  return NOTHING;
}

/**
 * Taken out of the mailboxes in which it was not read, with one answer for the members behind them; the revocation goes on to
 * the children that may have it.
 */
function takeRevocation(options: BackChannelOptions, page: Page, message: Message): Effect | undefined {
  const { self, mailboxes } = options;
  const { header, body } = message;
  if (header.class !== 'infrastructure' || header.subclass !== 'revocation') return undefined;
  const { message: revoked, reason } = payloadOf(revocationSchema, readContent(body));
  const targets = expand(header.destination, page.tree, self);
  if (targets === undefined) return NOTHING;
  const holding = new Set([...mailboxes.unread(revoked), ...(page.given.get(revoked) ?? [])]);
  const unread = targets.children.filter((child) => holding.has(child));
  const further = targets.children.filter((child) => !holding.has(child));
  const about = options.marks.find(revoked);
  const members = membersBelow(unread, header.destination, page.tree);
  const text = reason ?? 'taken back before it was fetched';
  const drafts =
    about === undefined || unread.length === 0
      ? []
      : [outcomeDraft(about, { status: 'refused', code: 'BH-E-REVOKED', text, members })];
  return { changes: [mailboxes.stageRevokeFrom(unread, revoked), ...putInto(options, page, message, further)], drafts };
}

function doCommand(options: BackChannelOptions, page: Page, message: Message): Effect | undefined {
  return isFor(message, options.self) ? answerHere(options, page, message) : undefined;
}

/** In the commit that takes the command [B3]. */
function answerHere({ description }: BackChannelOptions, { answers, taken }: Page, message: Message): Effect {
  const answer = answers.get(message.header.id)?.(taken);
  if (answer === undefined) return { changes: [], drafts: [answerCommand(message, description)] };
  return { changes: answer.changes, drafts: [...answer.drafts, outcomeDraft(message.header, answer.outcome)] };
}

/** An artifact is fetched once, before it is offered to those below [DESIGN §6]. */
function takeOffer({ self, transfers }: BackChannelOptions, page: Page, message: Message): Effect | undefined {
  const { header } = message;
  if (header.contentType !== 'bulkDataRequest') return undefined;
  const targets = expand(header.destination, page.tree, self);
  if (targets === undefined || targets.children.length === 0) return undefined;
  return { changes: [transfers.stageOffer(message, targets.children, page.now)], drafts: [] };
}

/** One reference in the mailbox of each child that leads to a member, one copy for all [S5]. */
function deliver(options: BackChannelOptions, page: Page, message: Message): Effect {
  const { self, mailboxes, logger } = options;
  const { header } = message;
  const targets = expand(header.destination, page.tree, self);
  if (targets === undefined) {
    const text = `${destinationText(header.destination)} matches nobody below ${self}`;
    logger.warn({ id: header.id, class: header.class, text }, 'a message from above has no receiver');
    if (isRejection(message)) return NOTHING;
    return answer(message, { status: 'refused', code: 'BH-E-TARGET', text, members: namedIn(header.destination) });
  }
  const size = sizeOf(message);
  const owners: string[] = [];
  const full: string[] = [];
  for (const child of targets.children) (mailboxes.hasRoom(child, size) ? owners : full).push(child);
  const here = targets.here ? answerHere(options, page, message) : NOTHING;
  const drafts = [...here.drafts];
  if (full.length > 0 && !isRejection(message)) {
    const text = 'their mailboxes are full; they have not called for a long time';
    drafts.push(outcomeDraft(header, { status: 'refused', code: 'BH-E-SPOOL-FULL', text, members: full }));
  }
  return { changes: [...here.changes, ...putInto(options, page, message, owners)], drafts };
}

function putInto(
  { mailboxes }: BackChannelOptions,
  { now, given }: Page,
  { header, headerBytes, body }: Message,
  owners: readonly string[],
): Change[] {
  if (owners.length === 0) return [];
  given.set(header.id, owners);
  const expiresAt = expiryHere(header, now);
  const expiry = expiresAt === undefined ? {} : { expiresAt };
  return [mailboxes.stagePut(owners, { id: header.id, header: headerBytes, body, receivedAt: now, ...expiry })];
}

function sizeOf({ headerBytes, body }: Message): number {
  return headerBytes.length + body.length;
}

function isRejection({ header }: Message): boolean {
  return header.class === 'infrastructure' && header.subclass === 'rejection';
}

/** Members that a destination names itself; those of a group are known above. */
function namedIn(destination: Destination | undefined): readonly string[] {
  if (destination?.kind === 'component') return [destination.id];
  return destination?.kind === 'list' ? destination.ids : [];
}

function isFor({ header: { destination } }: Message, self: string): boolean {
  return destination?.kind === 'component' && destination.id === self;
}

function answer({ header }: Message, outcome: Outcome): Effect {
  return { changes: [], drafts: [outcomeDraft(header, outcome)] };
}

function unique(messages: readonly Message[]): Message[] {
  return [...new Map(messages.map((message) => [message.header.id, message])).values()];
}
