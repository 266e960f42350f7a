import { contentTypeOf, newBoundary, type RawMessage, readReply, type Verdict, writeReply } from '@backhaul/envelope';
import { type Answer, type ParentConnection, WIRE_HEADERS } from '@backhaul/transport';
import { SimRandom } from '../sim-random.ts';
import { instead } from '../watched-handler.ts';
import type { World } from '../world.ts';

const CHANCE = 0.05;
/** Old pages of one child that are kept to be shown to it again. */
const PAGES_KEPT = 8;

type Page = { readonly messages: readonly RawMessage[]; readonly mailbox: string };

/**
 * A parent in the hands of somebody else: it has every online key, so its replies come over a good connection, and some of
 * them are lies. It can delay and annoy; it must not make a child do something twice, lose count, or fall over.
 */
export class TakenParent {
  lies = 0;
  readonly #world: World;
  readonly #id: string;
  readonly #random: SimRandom;

  constructor(world: World, id: string) {
    this.#world = world;
    this.#id = id;
    this.#random = new SimRandom(world.seed, `taken ${id}`);
  }

  /** Between a direct child of the taken parent and its connection. */
  between(connection: ParentConnection): ParentConnection {
    if (connection.parent.id !== this.#id) return connection;
    const pages: Page[] = [];
    return instead(connection, {
      post: async (body, headers, options) => {
        const answer = await connection.post(body, headers, options);
        if (this.#world.healed) return answer;
        return this.#twisted(answer, pages, headers[WIRE_HEADERS.hello] !== undefined);
      },
    });
  }

  #twisted(answer: Answer, pages: Page[], isHello: boolean): Answer {
    const { response, messages } = readReply(answer.contentType, answer.body);
    if (messages.length > 0 && answer.mailbox !== undefined) remember(pages, { messages, mailbox: answer.mailbox });
    if (isHello || !this.#random.chance(CHANCE)) return answer;
    this.lies++;
    const rewritten = (verdicts: readonly Verdict[], down: readonly RawMessage[], mailbox = answer.mailbox): Answer => {
      const boundary = newBoundary(this.#random);
      const body = Buffer.concat(writeReply(boundary, { ...response, verdicts }, down));
      return { body, contentType: contentTypeOf(boundary), mailbox };
    };
    switch (this.#random.between(1, 5)) {
      case 1: // a verdict too many
        return rewritten([...response.verdicts, { accepted: true }], messages);
      case 2: // a verdict too few
        return rewritten(response.verdicts.slice(1), messages);
      case 3: {
        // an old page once more
        const page = pages.length === 0 ? undefined : this.#random.pick(pages);
        return page === undefined ? answer : rewritten(response.verdicts, page.messages, page.mailbox);
      }
      case 4: // not now, whatever it was
        return rewritten(
          response.verdicts.map(() => ({ accepted: false, code: 'BH-E-THROTTLE', retryable: true, waitMs: 60_000 })),
          messages,
        );
      default: // not a reply at all
        return { ...answer, body: this.#random.bytes(200) };
    }
  }
}

function remember(pages: Page[], page: Page): void {
  pages.push(page);
  if (pages.length > PAGES_KEPT) pages.shift();
}
