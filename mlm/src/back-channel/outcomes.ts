import { type Header, jsonElement, type MessageResponse } from '@backhaul/envelope';
import type { ErrorCode } from '@backhaul/runtime';
import type { Draft } from '@backhaul/transport';

export interface Outcome {
  readonly status: MessageResponse['status'];
  readonly code?: ErrorCode;
  /** for people */
  readonly text: string;
  /** answer to a command */
  readonly result?: unknown;
  /** members for which this MLM speaks, when it is not itself that answers */
  readonly members?: readonly string[];
}

/**
 * What became of a message from above, said upward: a message response of the same class and subclass; for an offer of
 * software the answer that is due to it, an authorisation refused.
 */
export function outcomeDraft(
  about: Pick<Header, 'id' | 'class' | 'subclass'> & { traceparent?: string },
  outcome: Outcome,
): Draft {
  if (about.class === 'software' && about.subclass === 'offer') return offerRefused(about.id, outcome);
  const { status, code, text, result, members } = outcome;
  const data = members === undefined ? result : { members };
  return {
    lane: 4,
    classification: 'infrastructure-administration',
    class: about.class,
    subclass: about.subclass,
    content: {
      type: 'messageResponse',
      request: about.id,
      status,
      ...(code === undefined ? {} : { code, retryable: false }),
      text,
      ...(data === undefined ? {} : { data: jsonElement(data) }),
    },
    inReplyTo: about.id,
    traceparent: about.traceparent,
  };
}

function offerRefused(request: string, { code, text }: Outcome): Draft {
  return {
    lane: 4,
    classification: 'infrastructure-administration',
    class: 'software',
    subclass: 'authorisation',
    content: { type: 'bulkDataResponse', request, status: 'refused', ...(code === undefined ? {} : { code }), text },
    inReplyTo: request,
  };
}
