import { expect } from 'chai';
import { attribute, type CpuProfile } from './attribute.ts';

const frame = (id: number, url: string, functionName: string, children: number[] = []) => ({
  id,
  callFrame: { functionName, url },
  children,
});

describe('the profile of a message', () => {
  const root = 'file:///x';
  const profile: CpuProfile = {
    nodes: [
      frame(1, '', '(root)', [2, 3, 7]),
      frame(2, '', '(idle)'),
      frame(3, `${root}/packages/transport/dist/envelope-exchange.js`, 'answerExchange', [4, 5]),
      frame(4, `${root}/packages/envelope/dist/header/canonical-header.js`, 'readCanonicalHeader', [6]),
      frame(5, 'node:net', 'Socket._writev'),
      frame(6, '', 'exec'),
      frame(7, '', '(garbage collector)'),
    ],
    startTime: 1_000,
    samples: [2, 6, 4, 5, 7, 3, 6],
    timeDeltas: [10, 20, 30, 40, 50, 60, 70],
  };

  it('counts a sample for the innermost of our own files, what is idle for nothing, and what is outside of the time not at all', () => {
    expect([...attribute(profile, 1_000, 1_210)]).to.deep.equal([
      ['parse: unpack, MIME, header', 50],
      ['exchange: the request around it', 100],
      ['collection of garbage', 50],
    ]);
  });
});
