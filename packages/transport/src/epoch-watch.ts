import { BackhaulError } from '@backhaul/runtime';

/** Superseded epochs of one source that may speak within the window; one more, and two of it are alive. */
const MAX_TAKEOVERS = 3;
const WINDOW_MS = 3_600_000;
/** Both are refused until only one of the epochs has spoken for so long, as with processes: see `BootWatch`. */
const ALONE_MS = 600_000;
/** Epochs remembered of one clone. */
const MAX_EPOCHS = 8;
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
  cloned: Cloned | undefined;
}

interface Cloned {
  readonly since: number;
  /** when each epoch spoke last since then */
  readonly heard: Map<string, number>;
}

/**
 * Which epoch of a direct child may speak, as a pure step machine [DESIGN §4: fencing, §7: cloned identity].
 *
 *   current      its epoch is the one that appeared last
 *   begins       an epoch never seen here: it takes over
 *   superseded   another epoch has taken over: the child learns so from the marks of its next hello, and begins a new one
 *   clone        one after the other `MAX_TAKEOVERS` superseded epochs spoke within an hour: a restored copy speaks in its
 *                new epoch only, so there are two of it. Nothing of either is taken until one is silent, or `forget` (revoked)
 */
export class EpochWatch {
  readonly #sources = new Map<string, Takeovers>();

  judge(source: string, epoch: string, { newest, known }: EpochKnowledge, now: number): EpochJudgement {
    const cloned = this.#sources.get(source)?.cloned;
    if (cloned !== undefined && !isAlone(cloned, epoch, now)) return 'clone';
    if (cloned !== undefined) this.forget(source);
    if (newest === undefined || epoch === newest) return 'current';
    if (!known) return 'begins';
    return this.#superseded(source, epoch, now) ? 'clone' : 'superseded';
  }

  isClone(source: string): boolean {
    return this.#sources.get(source)?.cloned !== undefined;
  }

  clones(): readonly string[] {
    return [...this.#sources].flatMap(([source, { cloned }]) => (cloned === undefined ? [] : [source]));
  }

  forget(source: string): void {
    this.#sources.delete(source);
  }

  #superseded(source: string, epoch: string, now: number): boolean {
    const takeovers: Takeovers = this.#sources.get(source) ?? { spoke: new Map(), cloned: undefined };
    this.#sources.delete(source);
    this.#makeRoom();
    this.#sources.set(source, takeovers);
    for (const [old, at] of takeovers.spoke) if (now - at > WINDOW_MS) takeovers.spoke.delete(old);
    if (!takeovers.spoke.has(epoch)) takeovers.spoke.set(epoch, now);
    if (takeovers.spoke.size <= MAX_TAKEOVERS) return false;
    takeovers.cloned = { since: now, heard: new Map([[epoch, now]]) };
    return true;
  }

  /** A clone is never forgotten to make room. */
  #makeRoom(): void {
    if (this.#sources.size < MAX_SOURCES) return;
    for (const [source, { cloned }] of this.#sources)
      if (cloned === undefined) return void this.#sources.delete(source);
  }
}

/** Notes that this epoch speaks; whether no other one has for long enough. */
function isAlone({ since, heard }: Cloned, epoch: string, now: number): boolean {
  heard.delete(epoch);
  const last = Math.max(since, ...heard.values());
  if (heard.size >= MAX_EPOCHS) heard.delete(heard.keys().next().value!);
  heard.set(epoch, now);
  return now - last >= ALONE_MS;
}

/** What a message is refused with; undefined when it may pass. */
export function epochRefusal(judgement: EpochJudgement, epoch: string): BackhaulError | undefined {
  if (judgement === 'superseded') return new BackhaulError('BH-E-EPOCH', { detail: epoch });
  if (judgement === 'clone') return new BackhaulError('BH-E-CLONE', { retryAfterMs: CLONE_WAIT_MS });
  return undefined;
}
