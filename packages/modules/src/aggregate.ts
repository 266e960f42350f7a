import { jsonData } from '@backhaul/envelope';
import { BackhaulError } from '@backhaul/runtime';
import { z } from 'zod';
import { type Action, type Merged, type MidStreamModule, type ModuleMessage, PASS } from './mid-stream.ts';
import { className, moduleName, moduleOptions, subclassName } from './module-options.ts';
import { readNumbers, summarise } from './numeric-summary.ts';

const aggregateRule = z.strictObject({
  name: moduleName.optional().describe('name of the rule in receipts; the number of the rule when absent'),
  class: className,
  subclass: subclassName,
  count: z.int().min(2).max(1000).describe('so many messages become one'),
  windowMs: z
    .int()
    .min(100)
    .max(86_400_000)
    .describe('milliseconds after the first message when the aggregate is made even of fewer'),
  into: subclassName.default('summary').describe('subclass of the aggregate'),
});

/** Merges numeric JSON data, n → 1 for each class, source, support instance and precedence. */
export const aggregateConfig = z.strictObject({
  use: z.literal('aggregate').describe('merges messages of numeric JSON data into one of minimum, mean and maximum'),
  ...moduleOptions,
  rules: z.array(aggregateRule).min(1).max(256).describe('what is merged'),
});

export type AggregateConfig = z.output<typeof aggregateConfig>;
type Rule = z.output<typeof aggregateRule> & { readonly label: string };

/** The built-in module `aggregate`. */
export function aggregateModule(config: z.input<typeof aggregateConfig>): MidStreamModule {
  const settings = aggregateConfig.parse(config);
  const name = settings.name ?? settings.use;
  const rules = new Map<string, Rule>();
  for (const [index, rule] of settings.rules.entries()) {
    const about = `${rule.class}/${rule.subclass}`;
    if (rules.has(about)) throw new BackhaulError('BH-E-CONFIG', { detail: `module ${name}: two rules for ${about}` });
    rules.set(about, { ...rule, label: `${name}/${rule.name ?? index + 1}` });
  }
  return {
    name,
    subscriptions: settings.rules.map((rule) => ({ class: rule.class, subclass: rule.subclass })),
    start: async () => {},
    stop: async () => {},
    up: (message) => hold(rules, message),
    merge: (_key, held) => merge(rules, held),
  };
}

/** A body that cannot be merged throws here, where it spoils nothing but itself. */
function hold(rules: ReadonlyMap<string, Rule>, message: ModuleMessage): Action {
  const { header } = message;
  const about = `${header.class}/${header.subclass}`;
  const rule = rules.get(about);
  if (rule === undefined || header.contentType !== 'data') return PASS;
  readNumbers(message.content());
  const key = `${about}|${header.source}|${header.instance ?? ''}`;
  return { do: 'hold', key, rule: rule.label, count: rule.count, windowMs: rule.windowMs };
}

/** `{count, from, to, metrics}`: the shape of the class performance/summary. */
function merge(rules: ReadonlyMap<string, Rule>, held: readonly ModuleMessage[]): Merged {
  const first = held[0]?.header;
  if (first === undefined) throw new BackhaulError('BH-E-MODULE', { detail: 'nothing to merge' });
  const times = held.map((message) => message.header.madeAt);
  const value = {
    count: held.length,
    from: Math.min(...times),
    to: Math.max(...times),
    metrics: summarise(held.map((message) => readNumbers(message.content()))),
  };
  const into = rules.get(`${first.class}/${first.subclass}`)?.into ?? 'summary';
  return {
    header: { classification: first.classification, class: first.class, subclass: into, contentType: 'data' },
    content: jsonData(value),
  };
}
