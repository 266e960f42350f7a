import type { Header } from '@backhaul/envelope';
import { BackhaulError, type Component, SparingLog } from '@backhaul/runtime';
import type { LoadedModule } from './load-modules.ts';
import {
  type Action,
  type Merged,
  type MidStreamModule,
  type ModuleContext,
  type ModuleMessage,
  PASS,
  type TransferAnswer,
  type TransferRequest,
} from './mid-stream.ts';

/** How long a sender waits when a module with `onFault: refuse` failed. */
const FAULT_WAIT_MS = 5000;
/** A module that takes longer for one message holds up everything behind it: that is a fault, too. */
const SLOW_MS = 250;
/** Kinds of messages remembered; senders choose class names, so there is a number. */
const MAX_KINDS = 4096;

export interface ModuleStatus {
  readonly name: string;
  readonly use: string;
  readonly state: 'running' | 'taken-out';
  readonly passed: number;
  readonly dropped: number;
  readonly held: number;
  readonly refused: number;
  readonly faults: number;
  readonly lastFault?: string;
}

/** What the chain says of one message, and which module said it. */
export interface Decision {
  readonly action: Action;
  /** empty when every module let it pass */
  readonly module: string;
  /** the module failed on this message: `action` is its default */
  readonly fault?: string;
}

interface Slot extends LoadedModule {
  takenOut: boolean;
  /** messages on which it failed without having done well in between: one that comes again and again counts once */
  readonly failedOn: Set<string>;
  counts: { passed: number; dropped: number; held: number; refused: number; faults: number };
  lastFault?: string;
}

const PASSED: Decision = Object.freeze({ action: PASS, module: '' });
const COUNTER_OF = { pass: 'passed', drop: 'dropped', hold: 'held', refuse: 'refused' } as const;

/**
 * The modules of one MLM, asked in the order of the configuration; the first that does not let a message pass decides.
 *
 * A module is `running`, or `taken-out` after `maxFaults` faults in a row on different messages (it threw, or took longer than 250 ms). A fault
 * never reaches the caller: the message takes the module's default, the fault is counted and reported. A coded error says
 * that the message cannot be read: the message takes the default, and the module stays.
 */
export class ModuleChain implements Component {
  readonly name = 'modules';
  readonly #slots: Slot[];
  readonly #context: ModuleContext;
  readonly #faults: SparingLog;
  readonly #onTakenOut: (name: string, fault: string) => void;
  /** which modules see a class: found once for each classification, class and subclass */
  readonly #interested = new Map<string, readonly Slot[]>();
  readonly #started: Slot[] = [];

  constructor(options: {
    modules: readonly LoadedModule[];
    context: ModuleContext;
    onTakenOut?: (name: string, fault: string) => void;
  }) {
    this.#slots = options.modules.map((loaded) => ({
      ...loaded,
      takenOut: false,
      failedOn: new Set(),
      counts: { passed: 0, dropped: 0, held: 0, refused: 0, faults: 0 },
    }));
    this.#context = options.context;
    this.#faults = new SparingLog(options.context.logger, options.context.clock);
    this.#onTakenOut = options.onTakenOut ?? (() => {});
  }

  async start(): Promise<void> {
    for (const slot of this.#slots) {
      await slot.module.start(this.#context);
      this.#started.push(slot);
    }
  }

  async stop(): Promise<void> {
    for (const slot of this.#started.splice(0).toReversed()) await slot.module.stop();
  }

  /** False: `decide` would let every message of this kind pass, there is no need to ask. */
  wants(header: Header): boolean {
    return this.#slotsFor(header).length > 0;
  }

  /** Asks the modules that subscribe to the message's class. Never throws. */
  decide(message: ModuleMessage): Decision {
    for (const slot of this.#slotsFor(message.header)) {
      if (slot.takenOut || slot.module.up === undefined) continue;
      const asked = this.#ask(slot, message);
      if (asked.action.do !== 'pass') return { ...asked, module: slot.module.name };
    }
    return PASSED;
  }

  /** Undefined when the module failed or is gone: the caller then sends the parts on as they are. */
  merge(name: string, key: string, held: readonly ModuleMessage[]): Merged | undefined {
    const slot = this.#slots.find(({ module }) => module.name === name);
    if (slot === undefined || slot.takenOut || slot.module.merge === undefined) return undefined;
    const { merge } = slot.module;
    return this.#guard(slot, () => merge.call(slot.module, key, held));
  }

  /** The first module that refuses decides; one that fails refuses, because what it would have said is not known. */
  authorizeTransfer(request: TransferRequest): TransferAnswer & { readonly module?: string } {
    for (const slot of this.#slots) {
      const { module } = slot;
      if (slot.takenOut || module.authorizeTransfer === undefined) continue;
      const answer = this.#guard(slot, () => module.authorizeTransfer?.(request)) ?? {
        allowed: false as const,
        reason: `module ${module.name} failed`,
        waitMs: FAULT_WAIT_MS,
      };
      if (!answer.allowed) return { ...answer, module: module.name };
    }
    return { allowed: true };
  }

  status(): ModuleStatus[] {
    return this.#slots.map((slot) => ({
      name: slot.module.name,
      use: slot.use,
      state: slot.takenOut ? 'taken-out' : 'running',
      ...slot.counts,
      ...(slot.lastFault === undefined ? {} : { lastFault: slot.lastFault }),
    }));
  }

  #ask(slot: Slot, message: ModuleMessage): Omit<Decision, 'module'> {
    const action = this.#guard(slot, () => slot.module.up?.(message), message.header.id);
    if (action === undefined) return { action: this.#defaultOf(slot), fault: slot.lastFault ?? '' };
    slot.counts[COUNTER_OF[action.do]] += 1;
    return { action };
  }

  #defaultOf(slot: Slot): Action {
    return slot.onFault === 'pass' ? PASS : { do: 'refuse', code: 'BH-E-MODULE', waitMs: FAULT_WAIT_MS };
  }

  /** `about`: what the call is about, so that one message cannot have a module taken out by coming again. */
  #guard<T>(slot: Slot, call: () => T, about = `call ${slot.failedOn.size}`): T | undefined {
    const begun = this.#context.clock.monotonic();
    try {
      const result = call();
      const took = this.#context.clock.monotonic() - begun;
      if (took > SLOW_MS) this.#fault(slot, about, `took ${Math.round(took)} ms for one message`);
      else if (slot.failedOn.size > 0) slot.failedOn.clear();
      return result;
    } catch (error) {
      if (error instanceof BackhaulError && error.code !== 'BH-E-INTERNAL') this.#badMessage(slot, error);
      else this.#fault(slot, about, printable(error));
      return undefined;
    }
  }

  /** The content is at fault, not the module: a sender must not be able to have a module taken out. */
  #badMessage(slot: Slot, { code, detail }: BackhaulError): void {
    slot.counts.faults += 1;
    slot.lastFault = code;
    const { name } = slot.module;
    this.#faults.log('warn', `${name} ${code}`, { module: name, code, detail }, 'a module could not read a message');
  }

  #fault(slot: Slot, about: string, fault: string): void {
    slot.counts.faults += 1;
    slot.failedOn.add(about);
    slot.lastFault = fault;
    const { name } = slot.module;
    this.#faults.log('warn', name, { module: name, fault }, 'a module failed on a message');
    if (slot.failedOn.size < slot.maxFaults || slot.takenOut) return;
    slot.takenOut = true;
    this.#context.logger.error({ module: slot.module.name, fault }, 'a module was taken out after repeated faults');
    this.#onTakenOut(slot.module.name, fault);
  }

  #slotsFor(header: Header): readonly Slot[] {
    const key = `${header.classification}|${header.class}|${header.subclass}`;
    const known = this.#interested.get(key);
    if (known !== undefined) return known;
    const slots = this.#slots.filter(({ module }) => module.up !== undefined && subscribes(module, header));
    if (this.#interested.size >= MAX_KINDS) this.#interested.clear();
    this.#interested.set(key, slots);
    return slots;
  }
}

function subscribes(module: MidStreamModule, header: Header): boolean {
  return module.subscriptions.some((wanted) => {
    if (wanted.class === undefined) return header.classification !== 'infrastructure-administration';
    return wanted.class === header.class && (wanted.subclass === undefined || wanted.subclass === header.subclass);
  });
}

/** What a module threw, fit for logs and the status tree. */
function printable(error: unknown): string {
  return String(error)
    .replace(/[^\x20-\x7e]/g, '?')
    .slice(0, 300);
}
