import { BackhaulError, ERRORS, type ErrorCode } from '@backhaul/runtime';
import { expect } from 'chai';
import fc from 'fast-check';
import {
  ATTEMPTS,
  type InstallEvent,
  type InstallJob,
  newInstall,
  type Offer,
  stepInstall,
  waitOf,
} from '../src/install/install-machine.ts';

const offer: Offer = {
  id: 'x',
  manifest: '',
  signature: '',
  publicKey: '',
  sha256: 'a',
  size: 1,
  name: 'demo',
  version: '1.0.0',
};
const trouble = (code: ErrorCode): InstallEvent => ({ type: 'trouble', error: new BackhaulError(code) });

function run(...events: InstallEvent[]): { job: InstallJob; states: string[] } {
  const first = newInstall(offer, 0);
  let job = first.job;
  const states = first.reports.map(({ state }) => state as string);
  for (const [now, event] of events.entries()) {
    const step = stepInstall(job, event, now);
    job = step.job;
    states.push(...step.reports.map(({ state, percent }) => (state === 'percent' ? `${percent}` : state)));
  }
  return { job, states };
}

describe('install machine', () => {
  it('goes the straight way', () => {
    const { job, states } = run(
      { type: 'allowed' },
      { type: 'fetched' },
      { type: 'verified' },
      { type: 'started' },
      { type: 'percent', percent: 60 },
      { type: 'installed' },
    );
    expect(states).deep.equal(['offered', 'authorised', 'fetching', 'fetched', 'verified', 'started', '50', 'done']);
    expect(job).include({ step: 'ended', outcome: 'done' });
  });

  it('tells progress at 25, 50 and 75 only, each once', () => {
    const percents = Array.from({ length: 101 }, (_, percent): InstallEvent => ({ type: 'percent', percent }));
    expect(run({ type: 'allowed' }, { type: 'fetched' }, ...percents).states.slice(4)).deep.equal(['25', '50', '75']);
  });

  it('a refusal of the policy is final at every step', () => {
    for (const before of [[], [{ type: 'allowed' }, { type: 'fetched' }]] as InstallEvent[][]) {
      expect(run(...before, trouble('BH-E-POLICY-DOWNGRADE')).job).include({ step: 'ended', outcome: 'refused' });
    }
  });

  it('what may be repeated is repeated a bounded number of times, with growing waits', () => {
    const { job, states } = run(
      { type: 'allowed' },
      ...Array.from({ length: ATTEMPTS - 1 }, () => trouble('BH-E-PARENT-UNREACHABLE')),
    );
    expect(job).include({ step: 'fetch', attempts: ATTEMPTS - 1 });
    expect(job.notBefore).above(200_000);
    expect(states).deep.equal(['offered', 'authorised', 'fetching']);
    expect(
      run({ type: 'allowed' }, ...Array.from({ length: ATTEMPTS }, () => trouble('BH-E-PARENT-UNREACHABLE'))).job,
    ).include({ outcome: 'failed' });
  });

  it('a clock that is set back a year does not put an install off for a year; nor does a wait of a day', () => {
    const ahead = 1_795_219_200_000;
    const { job } = newInstall(offer, ahead);
    const failed = stepInstall(job, trouble('BH-E-INSTALL'), ahead).job;
    expect(waitOf(failed, ahead)).equal(2_000);
    expect(waitOf(failed, ahead - 365 * 86_400_000)).equal(0);
    const error = new BackhaulError('BH-E-BUSY', { retryAfterMs: 86_400_000 });
    expect(waitOf(stepInstall(job, { type: 'trouble', error }, ahead).job, ahead)).equal(900_000);
  });

  it('wrong bytes are discarded and fetched once more, then it fails', () => {
    const once = stepInstall(run({ type: 'allowed' }, { type: 'fetched' }).job, trouble('BH-E-BULK-HASH'), 5);
    expect(once).deep.include({ discard: true, reports: [] });
    expect(once.job).include({ step: 'fetch', attempts: 1 });
    expect(stepInstall(once.job, trouble('BH-E-BULK-HASH'), 6).job).include({ outcome: 'failed' });
  });

  it('ends at most once, is never started before it was allowed, and never waits for ever', () => {
    const codes = Object.keys(ERRORS) as ErrorCode[];
    const event = fc.oneof(
      fc.constantFrom<InstallEvent>(
        { type: 'allowed' },
        { type: 'fetched' },
        { type: 'verified' },
        { type: 'started' },
        { type: 'installed' },
      ),
      fc.integer({ min: 0, max: 100 }).map((percent): InstallEvent => ({ type: 'percent', percent })),
      fc.constantFrom(...codes).map(trouble),
    );
    fc.assert(
      fc.property(fc.array(event, { maxLength: 60 }), (events) => {
        const { job, states } = run(...events);
        const ends = states.filter((state) => ['done', 'refused', 'failed'].includes(state));
        expect(ends.length).equal(job.step === 'ended' ? 1 : 0);
        if (ends.length === 1) expect(states.at(-1)).equal(ends[0]);
        expect(job.attempts).at.most(ATTEMPTS);
        expect(job.notBefore).below(60 + 3_600_000);
      }),
    );
  });
});
