import { randomBytes } from 'node:crypto';

/** Of a message's own data; with header and framing about 1 KB. */
const CHARACTERS = 500;
const WORDS = [
  ...['kernel', 'systemd', 'sshd', 'link', 'is', 'down', 'up', 'degraded', 'array', 'rebuild', 'temperature', 'above'],
  ...['threshold', 'fan', 'failed', 'restarted', 'timeout', 'on', 'interface', 'session', 'closed', 'for', 'user'],
  ...['backup', 'finished', 'with', 'errors', 'disk', 'sector', 'reallocated', 'power', 'supply', 'lost'],
];

/** Like lines of a log: words that come again, numbers that do not. The same number gives the same text. */
export function logText(number: number): string {
  let state = number * 2_654_435_761 + 1;
  const next = (below: number): number => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
  let text = '';
  while (text.length < CHARACTERS) {
    const word = next(4) === 0 ? `${next(1_000_000)}` : WORDS[next(WORDS.length)]!;
    text += `${word} `;
  }
  return text.slice(0, CHARACTERS);
}

/** What does not compress beyond its base64. */
export function noise(): string {
  return randomBytes(CHARACTERS * 0.75).toString('base64');
}
