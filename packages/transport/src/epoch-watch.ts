import { BackhaulError } from '@backhaul/runtime';

/** Superseded epochs of one source that may speak within the window; one more, and two of it are alive. */
const MAX_TAKEOVERS = 3;
const WINDOW_MS = 3_600_000;
/** What a fenced sender is told to wait: staff has to look. */
const CLONE_WAIT_MS = 60_000;
/** Sources remembered; the one that was quiet longest makes room. Only those that were fenced at all are here. */
const MAX_SOURCES = 10_000;

export interface EpochKnowledge {
  /** the epoch of this source that appeared last here; undefined when none has */
  readonly newest: string | undefined;
  /** something of this epoch has been seen here */
  readonly known: boolean;
}

export type EpochJudgement = 'current' | 'begins' | 'superseded' | 'clone';

interface Takeovers {
  /** superseded epochs that spoke, and when they first did, monotonic ms */
  readonly spoke: Map<string, number>;
  cloned: boolean;
}

/**
 * Which epoch of a direct child may speak, as a pure step machine [DESIGN §4: fencing, §7: cloned identity].
 *
 *   current      its epoch is the one that appeared last
 *   begins       an epoch never seen here: it takes over
 *   superseded   another epoch has taken over: the child learns so from the marks of its next hello, and begins a new one
 *   clone        one after the other `MAX_TAKEOVERS` superseded epochs spoke within an hour: a restored copy speaks in its
 *                new epoch only, so there are two of it. Nothing of either is taken until `forget` (revoked) or a restart
 */
export class EpochWatch {
  readonly #sources = new Map<string, Takeovers>();

  judge(source: string, epoch: string, { newest, known }: EpochKnowledge, now: number): EpochJudgement {
    const takeovers = this.#sources.get(source);
    if (takeovers?.cloned) return 'clone';
    if (newest === undefined || epoch === newest) return 'current';
    if (!known) return 'begins';
    return this.#superseded(source, epoch, now) ? 'clone' : 'superseded';
  }

  isClone(source: string): boolean {
    return this.#sources.get(source)?.cloned === true;
  }

  clones(): readonly string[] {
    return [...this.#sources].flatMap(([source, { cloned }]) => (cloned ? [source] : []));
  }

  forget(source: string): void {
    this.#sources.delete(source);
  }

  #superseded(source: string, epoch: string, now: number): boolean {
    const takeovers = this.#sources.get(source) ?? { spoke: new Map<string, number>(), cloned: false };
    this.#sources.delete(source);
    this.#makeRoom();
    this.#sources.set(source, takeovers);
    for (const [old, at] of takeovers.spoke) if (now - at > WINDOW_MS) takeovers.spoke.delete(old);
    if (!takeovers.spoke.has(epoch)) takeovers.spoke.set(epoch, now);
    takeovers.cloned = takeovers.spoke.size > MAX_TAKEOVERS;
    return takeovers.cloned;
  }

  /** A clone is never forgotten to make room. */
  #makeRoom(): void {
    if (this.#sources.size < MAX_SOURCES) return;
    for (const [source, { cloned }] of this.#sources) if (!cloned) return void this.#sources.delete(source);
  }
}

/** What a message is refused with; undefined when it may pass. */
export function epochRefusal(judgement: EpochJudgement, epoch: string): BackhaulError | undefined {
  if (judgement === 'superseded') return new BackhaulError('BH-E-EPOCH', { detail: epoch });
  if (judgement === 'clone') return new BackhaulError('BH-E-CLONE', { retryAfterMs: CLONE_WAIT_MS });
  return undefined;
}
