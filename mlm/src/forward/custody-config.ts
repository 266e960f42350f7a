import { className, subclassName } from '@backhaul/modules';
import { z } from 'zod';

const custody = z.enum(['spool', 'passthrough']);
export type Custody = z.output<typeof custody>;

/** Who keeps a message until the tier above has it [DESIGN §4]. */
export const custodyConfig = z.strictObject({
  default: custody
    .default('spool')
    .describe(
      '`spool`: stored here, answered, sent on later; `passthrough`: sent on at once, answered as the parent answers',
    ),
  classes: z
    .array(
      z.strictObject({
        class: className,
        subclass: subclassName.optional().describe('message subclass; all of the class when absent'),
        custody: custody.describe('for messages of this kind'),
      }),
    )
    .max(256)
    .default([])
    .describe(
      'kinds of messages for which it is another; what names the subclass comes before what names the class alone',
    ),
});
export type CustodyConfig = z.output<typeof custodyConfig>;

interface Kind {
  readonly class: string;
  readonly subclass: string;
}

/** Custody of one kind of message. */
export function custodyOf(config: CustodyConfig, kind: Kind): Custody {
  const at = entryFor(config, kind);
  return at < 0 ? config.default : config.classes[at]!.custody;
}

/** Where in the configuration the custody of a kind is said. */
export function custodyPath(config: CustodyConfig, kind: Kind): (string | number)[] {
  const at = entryFor(config, kind);
  return at < 0 ? ['default'] : ['classes', at, 'custody'];
}

function entryFor({ classes }: CustodyConfig, kind: Kind): number {
  const named = classes.findIndex((one) => one.class === kind.class && one.subclass === kind.subclass);
  if (named >= 0) return named;
  return classes.findIndex((one) => one.class === kind.class && one.subclass === undefined);
}
