import { type BulkDataRequest, type Message, payloadOf, readContent, softwareOffer } from '@backhaul/envelope';
import { artifactManifest } from '@backhaul/identity';
import type { Clock } from '@backhaul/runtime';
import { BackhaulError } from '@backhaul/runtime';
import type { Effect } from '../downward/effect.ts';
import type { Offer } from './install-machine.ts';
import { installMessages } from './install-messages.ts';
import type { InstallRunner } from './install-runner.ts';

/** Takes a `software/offer`: the job is on disk with the mark that the offer was received; judging begins after that. */
export class OfferHandler {
  readonly #self: string;
  readonly #runner: InstallRunner;
  readonly #clock: Clock;

  constructor(options: { self: string; runner: InstallRunner; clock: Clock }) {
    this.#self = options.self;
    this.#runner = options.runner;
    this.#clock = options.clock;
  }

  /** Throws what is wrong with the offer itself; what it offers is judged later. */
  handle(message: Message, expiresAt: number | undefined): Effect {
    const { step, change } = this.#runner.stageOffer(readOffer(message, expiresAt));
    return {
      drafts: installMessages(step, this.#self, this.#clock.now()),
      changes: [change],
      after: () => this.#runner.wake(),
    };
  }
}

/** What the signed manifest says counts; a request that says otherwise is refused before anything is fetched. */
function readOffer({ header, body }: Message, expiresAt: number | undefined): Offer {
  const content = readContent(body) as BulkDataRequest;
  const { manifest, signature, publicKey } = payloadOf(softwareOffer, content);
  const { sha256, size, name, version } = readManifest(manifest);
  if (content.sha256 !== sha256 || content.size !== size)
    throw new BackhaulError('BH-E-BULK-HASH', { detail: 'the manifest is of another artifact' });
  return {
    id: header.id,
    manifest,
    signature,
    publicKey,
    sha256,
    size,
    name,
    version,
    ...(expiresAt === undefined ? {} : { expiresAt }),
  };
}

function readManifest(text: string) {
  try {
    return artifactManifest.parse(JSON.parse(text));
  } catch (cause) {
    throw new BackhaulError('BH-E-SCHEMA', { detail: 'the manifest is not one', cause });
  }
}
