import type { ZodType } from 'zod';
import type { Classification, Content, ContentType, Lane } from '../message.ts';

/** One class and subclass: the normalised form, the same whichever platform a message came from [DESIGN §3]. */
export interface ClassEntry {
  readonly class: string;
  readonly subclass: string;
  readonly classification: Classification;
  /** the lane such a message takes, unless its content says otherwise (`laneOf`) */
  readonly lane: Lane;
  /** what its content may be; the first is the usual one */
  readonly contentTypes: readonly [ContentType, ...ContentType[]];
  /** who makes it */
  readonly from: string;
  /** what it tells */
  readonly about: string;
  /** shape of the JSON in the data element; absent where there is none or where `check` reads it */
  readonly json?: ZodType;
  /** only contents of these types carry the JSON; default: all */
  readonly jsonIn?: readonly ContentType[];
  /** what no schema shows. Throws a coded refusal. */
  readonly check?: (content: Content) => void;
  readonly laneOf?: (content: Content) => Lane;
}

/** Alarms that somebody must see now pass a backlog [DESIGN §4.8]. */
export function alarmLane(content: Content): Lane {
  const urgent =
    content.type === 'alarm' &&
    content.state === 'open' &&
    (content.severity === 'critical' || content.severity === 'major');
  return urgent ? 2 : 4;
}
