import { type Content, SEVERITIES, type Severity } from '@backhaul/envelope';
import { z } from 'zod';
import { type Action, type MidStreamModule, type ModuleMessage, PASS, type Subscription } from './mid-stream.ts';
import { className, moduleName, moduleOptions, subclassName } from './module-options.ts';

const filterRule = z
  .strictObject({
    name: moduleName.optional().describe('name of the rule in receipts; the number of the rule when absent'),
    class: className.optional(),
    subclass: subclassName.optional(),
    severityBelow: z
      .enum(SEVERITIES)
      .optional()
      .describe('alarms that open, and events, less severe than this; reads the body of the classes it applies to'),
    lane: z.int().min(1).max(8).optional().describe('precedence, 1 to 8; emergency (0) is never filtered'),
  })
  .refine((rule) => rule.class !== undefined || rule.subclass === undefined, 'a subclass needs its class')
  .refine(
    (rule) => rule.class !== undefined || rule.severityBelow !== undefined || rule.lane !== undefined,
    'a rule without any condition would drop everything',
  );

/** Drops what matches a rule; all conditions of a rule must hold, and the first rule that matches is named in the receipt. */
export const filterConfig = z.strictObject({
  use: z.literal('filter').describe('drops messages by class, severity and precedence, with a receipt'),
  ...moduleOptions,
  rules: z.array(filterRule).min(1).max(256).describe('what is dropped'),
});

export type FilterConfig = z.output<typeof filterConfig>;
type Rule = z.output<typeof filterRule> & { readonly label: string };

/** The built-in module `filter`. */
export function filterModule(config: z.input<typeof filterConfig>): MidStreamModule {
  const settings = filterConfig.parse(config);
  const name = settings.name ?? settings.use;
  const rules: Rule[] = settings.rules.map((rule, index) => ({ ...rule, label: `${name}/${rule.name ?? index + 1}` }));
  return {
    name,
    subscriptions: rules.map(subscriptionOf),
    start: async () => {},
    stop: async () => {},
    up: (message) => firstMatch(rules, message),
  };
}

function firstMatch(rules: readonly Rule[], message: ModuleMessage): Action {
  for (const rule of rules) {
    if (matches(rule, message)) return { do: 'drop', rule: rule.label };
  }
  return PASS;
}

/** The cheap conditions come first: the body is read only for a message that fulfils all the others [E5]. */
function matches(rule: Rule, message: ModuleMessage): boolean {
  const { header } = message;
  if (header.lane === 0) return false;
  if (rule.class === undefined && header.classification === 'infrastructure-administration') return false;
  if (rule.class !== undefined && rule.class !== header.class) return false;
  if (rule.subclass !== undefined && rule.subclass !== header.subclass) return false;
  if (rule.lane !== undefined && rule.lane !== header.lane) return false;
  if (rule.severityBelow === undefined) return true;
  if (header.contentType !== 'alarm' && header.contentType !== 'event') return false;
  return isBelow(message.content(), rule.severityBelow);
}

/** Only an alarm that opens is filtered: a `clear` must always reach those who saw it open. */
function isBelow(content: Content, limit: Severity): boolean {
  if (content.type === 'alarm' && content.state !== 'open') return false;
  if (content.type !== 'alarm' && content.type !== 'event') return false;
  return SEVERITIES.indexOf(content.severity) > SEVERITIES.indexOf(limit);
}

function subscriptionOf(rule: Rule): Subscription {
  if (rule.class === undefined) return {};
  return rule.subclass === undefined ? { class: rule.class } : { class: rule.class, subclass: rule.subclass };
}
