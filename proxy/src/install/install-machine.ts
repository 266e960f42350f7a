import type { INSTALL_STATES } from '@backhaul/envelope';
import { type BackhaulError, ERRORS, type ErrorCode } from '@backhaul/runtime';

/**
 * One offered artifact on its way to being installed; a pure step machine, persisted after each step.
 *
 *   judge ──allowed──► fetch ──fetched──► install ──installed──► ended
 *     │ denied           │ trouble          │ trouble (wrong bytes: back to fetch)
 *     └────► ended       └─► again later, at most ATTEMPTS times, then ended
 *
 * In `judge` nothing was fetched; in `install` the verified bytes lie in the artifacts folder; `ended` says how. After a restart
 * the step that was under way is done again: judging, fetching (resumed) and installing may all be repeated.
 */
export const ATTEMPTS = 10;
const FIRST_WAIT_MS = 2_000;
const LONGEST_WAIT_MS = 300_000;
/** Nothing is put off longer, whatever wait is told: a time further off was written by a clock that has been set back since. */
const LONGEST_TOLD_MS = 900_000;
/** Progress is told at these marks only. */
const PERCENT_MARKS = [25, 50, 75] as const;

export type InstallState = (typeof INSTALL_STATES)[number];

export interface Offer {
  /** id of the message that brought it: names the push */
  readonly id: string;
  readonly manifest: string;
  readonly signature: string;
  readonly publicKey: string;
  readonly sha256: string;
  /** bytes */
  readonly size: number;
  readonly name: string;
  readonly version: string;
  /** wall ms here */
  readonly expiresAt?: number;
}

export interface InstallJob {
  readonly offer: Offer;
  readonly step: 'judge' | 'fetch' | 'install' | 'ended';
  /** of the step it is in */
  readonly attempts: number;
  /** wall ms before which nothing is tried */
  readonly notBefore: number;
  /** last percent mark told */
  readonly percent: number;
  readonly outcome?: 'done' | 'refused' | 'failed';
  /** wall ms of the last change */
  readonly changedAt: number;
}

export type InstallEvent =
  | { readonly type: 'allowed' }
  | { readonly type: 'fetched' }
  | { readonly type: 'verified' | 'started' }
  | { readonly type: 'percent'; readonly percent: number }
  | { readonly type: 'installed' }
  | { readonly type: 'trouble'; readonly error: BackhaulError };

export interface InstallReport {
  readonly state: InstallState;
  readonly percent?: number;
  readonly code?: ErrorCode;
  readonly reason?: string;
}

/** Preauthorisation answer that goes with a step. */
export interface Authorisation {
  readonly status: 'granted' | 'refused';
  readonly code?: ErrorCode;
  readonly text: string;
}

export interface InstallStep {
  readonly job: InstallJob;
  readonly reports: readonly InstallReport[];
  readonly authorisation?: Authorisation;
  /** the bytes at hand are not the ones announced, or are not needed any more */
  readonly discard?: boolean;
}

export function newInstall(offer: Offer, now: number): InstallStep {
  const job: InstallJob = { offer, step: 'judge', attempts: 0, notBefore: now, percent: 0, changedAt: now };
  return { job, reports: [{ state: 'offered' }] };
}

/** How long nothing is tried yet, ms. */
export function waitOf({ notBefore }: InstallJob, now: number): number {
  const left = notBefore - now;
  return left > LONGEST_TOLD_MS ? 0 : Math.max(0, left);
}

/** An event in a step where it means nothing changes nothing. */
export function stepInstall(job: InstallJob, event: InstallEvent, now: number): InstallStep {
  if (job.step === 'ended') return { job, reports: [] };
  switch (event.type) {
    case 'allowed':
      return {
        job: enter(job, 'fetch', now),
        reports: [{ state: 'authorised' }, { state: 'fetching' }],
        authorisation: { status: 'granted', text: `${job.offer.name} ${job.offer.version} is allowed here` },
      };
    case 'fetched':
      return { job: enter(job, 'install', now), reports: [{ state: 'fetched' }] };
    case 'verified':
    case 'started':
      return { job: { ...job, changedAt: now }, reports: [{ state: event.type }] };
    case 'percent':
      return onPercent(job, event.percent, now);
    case 'installed':
      return {
        job: { ...job, step: 'ended', outcome: 'done', changedAt: now },
        reports: [{ state: 'done', percent: 100 }],
        discard: true,
      };
    case 'trouble':
      return onTrouble(job, event.error, now);
  }
}

function enter(job: InstallJob, step: InstallJob['step'], now: number): InstallJob {
  return { ...job, step, attempts: 0, notBefore: now, percent: 0, changedAt: now };
}

function onPercent(job: InstallJob, percent: number, now: number): InstallStep {
  const mark = PERCENT_MARKS.findLast((candidate) => percent >= candidate);
  if (mark === undefined || mark <= job.percent) return { job, reports: [] };
  return { job: { ...job, percent: mark, changedAt: now }, reports: [{ state: 'percent', percent: mark }] };
}

function onTrouble(job: InstallJob, error: BackhaulError, now: number): InstallStep {
  const told = { code: error.code, reason: reasonOf(error) };
  if (job.step === 'judge' && !error.retryable) return refused(job, told, now);
  if (isPolicy(error.code)) return refused(job, told, now);
  const attempts = job.attempts + 1;
  if (attempts < ATTEMPTS && mayRepeat(job, error)) return again(job, error, attempts, now);
  return {
    job: { ...job, step: 'ended', outcome: 'failed', attempts, changedAt: now },
    reports: [{ state: 'failed', ...told }],
    discard: true,
  };
}

function refused(job: InstallJob, told: { code: ErrorCode; reason: string }, now: number): InstallStep {
  return {
    job: { ...job, step: 'ended', outcome: 'refused', changedAt: now },
    reports: [{ state: 'refused', ...told }],
    authorisation: { status: 'refused', code: told.code, text: told.reason },
    discard: true,
  };
}

/** Wrong bytes are fetched once more; whatever else is final stays final. */
function mayRepeat(job: InstallJob, error: BackhaulError): boolean {
  return error.retryable || (error.code === 'BH-E-BULK-HASH' && job.attempts === 0);
}

function again(job: InstallJob, error: BackhaulError, attempts: number, now: number): InstallStep {
  const told = Math.min(error.retryAfterMs ?? 0, LONGEST_TOLD_MS);
  const waitMs = Math.max(told, Math.min(FIRST_WAIT_MS * 2 ** (attempts - 1), LONGEST_WAIT_MS));
  const wrongBytes = error.code === 'BH-E-BULK-HASH';
  const step = wrongBytes ? 'fetch' : job.step;
  return { job: { ...job, step, attempts, notBefore: now + waitMs, changedAt: now }, reports: [], discard: wrongBytes };
}

function isPolicy(code: ErrorCode): boolean {
  return code.startsWith('BH-E-POLICY-') || code === 'BH-E-SIGNATURE';
}

function reasonOf({ code, detail }: BackhaulError): string {
  return detail === undefined ? ERRORS[code].sentence : `${ERRORS[code].sentence} (${detail})`;
}
