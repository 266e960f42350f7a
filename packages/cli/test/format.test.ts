import { expect } from 'chai';
import { formatAgo, formatBytes, formatDuration, formatIn, formatTime, parseDuration } from '../src/format.ts';

describe('Formats', () => {
  it('of bytes', () => {
    expect([0, 999, 1024, 1536, 150 * 1024, 5 * 1024 ** 3].map(formatBytes)).to.deep.equal([
      '0 B',
      '999 B',
      '1.0 KiB',
      '1.5 KiB',
      '150 KiB',
      '5.0 GiB',
    ]);
  });

  it('of durations', () => {
    expect([0, 850, 12_340, 245_000, 10_920_000, 522_000_000, -1500].map(formatDuration)).to.deep.equal([
      '0 ms',
      '850 ms',
      '12.3 s',
      '4 min 5 s',
      '3 h 2 min',
      '6 d 1 h',
      '-1.5 s',
    ]);
  });

  it('of moments, from numbers and from text', () => {
    const now = Date.parse('2026-11-21T12:00:00.000Z');
    expect(formatAgo(now - 5000, now)).to.equal('5.0 s ago');
    expect(formatAgo('2026-11-21T11:00:00.000Z', now)).to.equal('1 h ago');
    expect(formatAgo(null, now)).to.equal('-');
    expect(formatIn(now + 2000, now)).to.equal('in 2.0 s');
    expect(formatIn(now - 1, now)).to.equal('now');
    expect(formatTime(now)).to.equal('2026-11-21 12:00:00');
    expect(formatTime('nonsense')).to.equal('-');
  });

  it('reads times as people write them', () => {
    expect(['250ms', '30s', '5m', '5min', '2h', '1d'].map(parseDuration)).to.deep.equal([
      250, 30_000, 300_000, 300_000, 7_200_000, 86_400_000,
    ]);
    for (const wrong of ['', '5', '-5s', '5 s', '1.5h', '5weeks']) expect(parseDuration(wrong)).to.equal(undefined);
  });
});
