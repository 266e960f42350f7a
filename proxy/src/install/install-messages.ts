import { type BulkDataResponse, type EventContent, jsonElement, type SoftwareInstall } from '@backhaul/envelope';
import type { Draft } from '@backhaul/transport';
import { ownMessage } from '../outbox/own-message.ts';
import type { InstallStep, Offer } from './install-machine.ts';

/** The messages that tell of one step: events `software/install`, and the answer to the preauthorisation where it is one. */
export function installMessages({ job, reports, authorisation }: InstallStep, self: string, now: number): Draft[] {
  const answer = authorisation === undefined ? [] : [authorisationMessage(job.offer, authorisation)];
  return [...answer, ...reports.map((report) => reportMessage(job.offer, report, self, now))];
}

function reportMessage(offer: Offer, report: InstallStep['reports'][number], self: string, now: number): Draft {
  const { state, percent } = report;
  const step: SoftwareInstall = {
    push: offer.id,
    artifact: offer.sha256,
    name: offer.name,
    version: offer.version,
    ...report,
  };
  const content: EventContent = {
    type: 'event',
    eventId: `${offer.id}:${state}${state === 'percent' ? percent : ''}`,
    severity: state === 'failed' || state === 'refused' ? 'warning' : 'info',
    instance: self,
    occurredAt: now,
    text: report.reason ?? `${offer.name} ${offer.version}: ${state}${state === 'percent' ? ` ${percent}` : ''}`,
    data: jsonElement(step),
  };
  return ownMessage('software', 'install', content, { inReplyTo: offer.id });
}

function authorisationMessage({ id }: Offer, answer: NonNullable<InstallStep['authorisation']>): Draft {
  const content: BulkDataResponse = { type: 'bulkDataResponse', request: id, ...answer };
  return ownMessage('software', 'authorisation', content, { inReplyTo: id });
}
