import { z } from 'zod';
import type { ClassEntry } from './class-entry.ts';

/** Commands go down as data and are answered by a message response of the same class and subclass. */
export const commandParameters = z.strictObject({
  parameters: z
    .record(z.string().regex(/^[a-z][A-Za-z0-9]{0,63}$/), z.union([z.string().max(1024), z.number(), z.boolean()]))
    .optional(),
});
export type CommandParameters = z.output<typeof commandParameters>;

const command = {
  class: 'command',
  classification: 'infrastructure-administration',
  lane: 4,
  contentTypes: ['data', 'messageResponse'],
  from: 'application server; answered by proxy, MLM',
  json: commandParameters,
  jsonIn: ['data'],
} as const;

export const COMMAND_CLASSES: readonly ClassEntry[] = [
  { ...command, subclass: 'ping', about: 'are you there' },
  { ...command, subclass: 'get-status', about: 'the status tree' },
  { ...command, subclass: 'get-configuration', about: 'the effective configuration, without secrets' },
  { ...command, subclass: 'list-dead-letters', about: 'the messages it has set aside, by number' },
  { ...command, subclass: 'read-dead-letter', about: 'one of them, header and body' },
  { ...command, subclass: 'replay-dead-letter', about: 'one of them is sent again, in a new place' },
  { ...command, subclass: 'discard-dead-letter', about: 'one of them is deleted' },
];
