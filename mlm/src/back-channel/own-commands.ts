import type { Message, StatusNode } from '@backhaul/envelope';
import { VERSION } from '@backhaul/runtime';
import type { Draft } from '@backhaul/transport';
import { type Outcome, outcomeDraft } from './outcomes.ts';

/** What the MLM can tell of itself. */
export interface SelfDescription {
  status(): StatusNode;
  /** the effective configuration, without secrets */
  configuration(): unknown;
}

const COMMANDS: Readonly<Record<string, (self: SelfDescription) => Outcome>> = {
  ping: () => ({ status: 'done', text: 'here', result: { version: VERSION } }),
  'get-status': (self) => ({ status: 'done', text: 'status', result: self.status() }),
  'get-configuration': (self) => ({ status: 'done', text: 'configuration', result: self.configuration() }),
};

/** Does a command that is addressed to this MLM; the answer is part of the commit that takes the command [B3]. */
export function answerCommand({ header }: Message, self: SelfDescription): Draft {
  const command =
    header.class === 'command' && Object.hasOwn(COMMANDS, header.subclass) ? COMMANDS[header.subclass] : undefined;
  const unknown: Outcome = {
    status: 'refused',
    code: 'BH-E-COMMAND-UNKNOWN',
    text: `an MLM does not know ${header.class}/${header.subclass}`,
  };
  return outcomeDraft(header, command?.(self) ?? unknown);
}
