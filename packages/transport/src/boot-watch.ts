import { BackhaulError } from '@backhaul/runtime';

/** A process that had been taken over from may come back so often within the window; once more, and two of it are alive. */
const MAX_RETURNS = 3;
const WINDOW_MS = 3_600_000;
/** Both are refused until only one of them has spoken for so long. */
const ALONE_MS = 600_000;
const CLONE_WAIT_MS = 60_000;
/** Processes remembered of one identity. */
const MAX_BOOTS = 8;

interface Child {
  current: string;
  /** when each process spoke last, monotonic ms */
  readonly spoke: Map<string, number>;
  /** when a process came back that another one had taken over from */
  returns: number[];
  cloned: boolean;
}

export type BootJudgement = 'current' | 'taken-over' | 'clone';

/**
 * Which process of one identity may speak, as a pure step machine; time is monotonic. Two that live with one identity and one
 * store (a cloned machine) would give the same numbers to different messages, and what is seen is dropped: so only one of them
 * is listened to at a time [DESIGN §7].
 *
 *   current      the process that said hello last; or the first that is heard
 *   taken over   another one has said hello since: refused (BH-E-EPOCH) until it says hello itself and begins a new epoch
 *   clone        they took over from one another again and again: both are refused (BH-E-CLONE) until one is silent
 *
 * A process that was restarted speaks under a new name and the old one never again.
 */
export class BootWatch {
  readonly #children = new Map<string, Child>();

  judge(id: string, boot: string, isHello: boolean, now: number): BootJudgement {
    const child = this.#children.get(id) ?? this.#add(id, boot);
    const isBack = child.spoke.has(boot);
    this.#heard(child, boot, now);
    if (child.cloned && this.#othersSpoke(child, boot, now)) return 'clone';
    if (child.cloned) Object.assign(child, { cloned: false, returns: [], current: boot });
    if (boot === child.current) return 'current';
    if (!isHello) return 'taken-over';
    child.current = boot;
    if (isBack) child.returns = [...child.returns.filter((at) => now - at < WINDOW_MS), now].slice(-MAX_RETURNS - 1);
    child.cloned = child.returns.length > MAX_RETURNS;
    return child.cloned ? 'clone' : 'current';
  }

  isClone(id: string): boolean {
    return this.#children.get(id)?.cloned === true;
  }

  get clones(): number {
    return [...this.#children.values()].filter(({ cloned }) => cloned).length;
  }

  forget(id: string): void {
    this.#children.delete(id);
  }

  #add(id: string, boot: string): Child {
    const child: Child = { current: boot, spoke: new Map(), returns: [], cloned: false };
    this.#children.set(id, child);
    return child;
  }

  #heard({ spoke }: Child, boot: string, now: number): void {
    spoke.delete(boot);
    if (spoke.size >= MAX_BOOTS) spoke.delete(spoke.keys().next().value!);
    spoke.set(boot, now);
  }

  #othersSpoke({ spoke }: Child, boot: string, now: number): boolean {
    return [...spoke].some(([other, at]) => other !== boot && now - at < ALONE_MS);
  }
}

/** What the request is refused with; undefined when it may pass. */
export function bootRefusal(judgement: BootJudgement): BackhaulError | undefined {
  if (judgement === 'taken-over') return new BackhaulError('BH-E-EPOCH', { detail: 'another process has said hello' });
  if (judgement === 'clone') return new BackhaulError('BH-E-CLONE', { retryAfterMs: CLONE_WAIT_MS });
  return undefined;
}
