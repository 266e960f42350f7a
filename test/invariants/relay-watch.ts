/**
 * What must hold of a relay while it runs, looked at message by message: pure bookkeeping over what was handed in, what
 * passed, and what took effect. The end is judged by `total-queue.ts`; what is wrong before it is said here at once.
 *
 *   I2  once in effect: a message, and a command at each member
 *   I3  one place holds one message; in an envelope of their source the places of a lane rise
 *   I4  bytes are those first seen; nothing that nobody handed in
 *   I5  a group message lies once in each mailbox on its way, and is done by none but its frozen members
 *   I6  a mailbox holds only what is for somebody at or below its owner
 */
import type { Place } from './total-queue.ts';

export interface Breach {
  readonly invariant: string;
  readonly detail: string;
}

export interface Passing {
  readonly id: string;
  readonly place: Place;
  /** fingerprint of the body */
  readonly body: string;
}

export class RelayWatch {
  readonly breaches: Breach[] = [];
  /** how many times something was held against an invariant */
  looks = 0;
  readonly #isAtOrBelow: (id: string, top: string) => boolean;
  readonly #sent = new Set<string>();
  readonly #effects = new Map<string, string>();
  readonly #bodies = new Map<string, string>();
  readonly #places = new Map<string, string>();
  /** by id, the place under which the source itself sent a message last */
  readonly #placeOf = new Map<string, Place>();
  readonly #numbers = new Map<string, number>();
  /** the highest number handed out, for each mailbox */
  readonly #handedOut = new Map<string, number>();
  readonly #commands = new Map<string, ReadonlySet<string>>();
  readonly #done = new Map<string, string>();
  /** places and effects of these are not held against anybody: they lie, or a copy of their past was put in their place */
  readonly #excused = new Map<string, 'liar' | 'restored'>();

  constructor(isAtOrBelow: (id: string, top: string) => boolean) {
    this.#isAtOrBelow = isAtOrBelow;
  }

  excuse(source: string, why: 'liar' | 'restored'): void {
    this.#excused.set(source, why);
  }

  isLiar(source: string): boolean {
    return this.#excused.get(source) === 'liar';
  }

  isExcused(source: string): boolean {
    return this.#excused.has(source);
  }

  intends(uid: string): void {
    this.#sent.add(uid);
  }

  /** A command was given, its members frozen. */
  commands(id: string, members: readonly string[]): void {
    this.#commands.set(id, new Set(members));
  }

  /** An envelope arrived at a hop from a child, messages in order; only the child's own stand in the order of their places. */
  passes(from: string, messages: readonly Passing[]): void {
    const last = new Map<string, number>();
    for (const { id, place, body } of messages) {
      this.looks++;
      if (this.isLiar(place.source)) continue;
      const stream = `${place.source}/${place.epoch}/${place.lane}`;
      const before = last.get(stream) ?? 0;
      if (place.source === from && place.sequence <= before)
        this.#breach('I3', `${stream}: ${place.sequence} stands behind ${before}`);
      if (place.source === from) this.#placeOf.set(id, place);
      last.set(stream, place.sequence);
      this.#sameAsBefore(this.#places, `${stream}/${place.sequence}`, id, 'I3', 'another message has this place');
      this.#sameAsBefore(this.#bodies, id, body, 'I4', 'other bytes than before');
    }
  }

  /** Undefined when its source has never sent it. */
  placeOf(id: string): Place | undefined {
    return this.#placeOf.get(id);
  }

  /** A message took effect. `uid`: read from its content; undefined: nobody's workload. */
  takesEffect(message: Passing, uid: string | undefined): void {
    this.looks++;
    const liar = this.isLiar(message.place.source);
    if (!liar) this.#sameAsBefore(this.#bodies, message.id, message.body, 'I4', 'other bytes than before');
    if (uid === undefined) return;
    if (liar) this.#breach('I6', `${message.place.source} has ${uid} in its name`);
    if (!this.#sent.has(uid)) this.#breach('I4', `nobody handed in ${uid}`);
    const before = this.#effects.get(uid);
    if (before !== undefined) this.#breach('I2', `${uid} took effect as ${before} and as ${message.id}`);
    this.#effects.set(uid, message.id);
  }

  hasEffect(uid: string): boolean {
    return this.#effects.has(uid);
  }

  /** A page of a mailbox was read for its owner. */
  reads(holder: string, owner: string, epoch: string, entries: readonly { id: string; number: number }[]): void {
    for (const { id, number } of entries) {
      this.looks++;
      const key = `${holder}/${owner}/${epoch}/${id}`;
      const before = this.#numbers.get(key);
      const box = `${holder}/${owner}/${epoch}`;
      this.#handedOut.set(box, Math.max(number, this.#handedOut.get(box) ?? 0));
      if (before !== undefined && before !== number)
        this.#breach('I5', `${id} lies twice in the mailbox of ${owner} at ${holder}: ${before} and ${number}`);
      this.#numbers.set(key, number);
      const members = this.#commands.get(id);
      if (members !== undefined && ![...members].some((member) => this.#isAtOrBelow(member, owner)))
        this.#breach('I6', `${id} is for nobody at or below ${owner}`);
    }
  }

  /** An acknowledgement was taken: never of what was not handed out. */
  acknowledged(holder: string, owner: string, epoch: string, through: number): void {
    this.looks++;
    const handedOut = this.#handedOut.get(`${holder}/${owner}/${epoch}`) ?? 0;
    if (through > handedOut)
      this.#breach(
        'I6',
        `${holder} let ${owner} acknowledge ${epoch}:${through}, of which ${handedOut} was handed out`,
      );
  }

  /** A member says that it has done a command. */
  done(command: string, member: string, answer: string): void {
    this.looks++;
    const members = this.#commands.get(command);
    if (members === undefined || this.isLiar(member)) return;
    if (!members.has(member)) this.#breach('I5', `${member} did ${command}, for which it was not meant`);
    const key = `${command} ${member}`;
    const before = this.#done.get(key);
    if (before !== undefined && before !== answer && !this.#excused.has(member))
      this.#breach('I2', `${member} did ${command} twice: ${before} and ${answer}`);
    this.#done.set(key, answer);
  }

  isDone(command: string, member: string): boolean {
    return this.#done.has(`${command} ${member}`);
  }

  breach(invariant: string, detail: string): void {
    this.#breach(invariant, detail);
  }

  #sameAsBefore(known: Map<string, string>, key: string, value: string, invariant: string, text: string): void {
    const before = known.get(key);
    if (before === undefined) known.set(key, value);
    else if (before !== value) this.#breach(invariant, `${key}: ${text} (${before}, ${value})`);
  }

  #breach(invariant: string, detail: string): void {
    this.breaches.push({ invariant, detail });
  }
}
