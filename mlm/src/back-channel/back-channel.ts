import {
  type Destination,
  expiryHere,
  LIMITS,
  type Message,
  membership as membershipSchema,
  payloadOf,
  readContent,
} from '@backhaul/envelope';
import { type Clock, type Logger, toBackhaulError } from '@backhaul/runtime';
import { type Change, commitChanges, type Store } from '@backhaul/spool';
import type { DownwardHandler, Draft, Outbox } from '@backhaul/transport';
import type { RoomyMailboxes } from '../mailbox-room.ts';
import type { MemberTree } from '../membership/member-tree.ts';
import type { Membership } from '../membership/membership.ts';
import type { Transfers } from '../transfers/transfers.ts';
import type { DownMarks } from './down-marks.ts';
import { destinationText, expand } from './expansion.ts';
import { type Outcome, outcomeDraft } from './outcomes.ts';
import { answerCommand, type SelfDescription } from './own-commands.ts';

export interface BackChannelOptions {
  /** id of this MLM */
  readonly self: string;
  readonly store: Store;
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
  /** as the messages before this one in the page have left it */
  tree: MemberTree;
}

const NOTHING: Effect = { changes: [], drafts: [] };

/** The way of a message from above; the first step that has an answer ends it. */
export const DOWNWARD_STEPS = [refuseLoop, refuseExpired, takeMembership, doCommand, takeOffer, deliver] as const;

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
    const { store, marks, own, membership, clock } = this.#options;
    const page: Page = { now: clock.now(), tree: membership.tree };
    const fresh = unique(messages).filter(({ header }) => marks.find(header.id) === undefined);
    const effects = fresh.map((message) => this.#effectOf(page, message));
    const taken = fresh.map(({ header }) => ({ header, expiresAt: expiryHere(header, page.now) }));
    const answers = own.stageAll(effects.flatMap(({ drafts }) => drafts));
    const deliveries = effects.flatMap(({ changes }) => changes);
    await commitChanges(store, [...deliveries, ...answers, marks.stage(taken, mailbox, page.now)]); // [B2]
  }

  /** One that fails is answered and left behind: it would stop everything that comes after it. */
  #effectOf(page: Page, message: Message): Effect {
    const { header } = message;
    try {
      for (const step of DOWNWARD_STEPS as readonly Step[]) {
        const effect = step(this.#options, page, message);
        if (effect !== undefined) return effect;
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

function doCommand({ self, description }: BackChannelOptions, _page: Page, message: Message): Effect | undefined {
  return isFor(message, self) ? { changes: [], drafts: [answerCommand(message, description)] } : undefined;
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
  const { self, mailboxes, description, logger } = options;
  const { header, headerBytes, body } = message;
  const targets = expand(header.destination, page.tree, self);
  if (targets === undefined) {
    const text = `${destinationText(header.destination)} matches nobody below ${self}`;
    logger.warn({ id: header.id, class: header.class, text }, 'a message from above has no receiver');
    return answer(message, { status: 'refused', code: 'BH-E-TARGET', text, members: namedIn(header.destination) });
  }
  const size = headerBytes.length + body.length;
  const owners = targets.children.filter((child) => mailboxes.hasRoom(child, size));
  const full = targets.children.filter((child) => !owners.includes(child));
  const expiresAt = expiryHere(header, page.now);
  const stored = {
    id: header.id,
    header: headerBytes,
    body,
    receivedAt: page.now,
    ...(expiresAt === undefined ? {} : { expiresAt }),
  };
  const drafts: Draft[] = targets.here ? [answerCommand(message, description)] : [];
  if (full.length > 0) {
    const text = 'their mailboxes are full; they have not called for a long time';
    drafts.push(outcomeDraft(header, { status: 'refused', code: 'BH-E-SPOOL-FULL', text, members: full }));
  }
  return { changes: owners.length === 0 ? [] : [mailboxes.stagePut(owners, stored)], drafts };
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
