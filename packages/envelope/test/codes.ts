import { BackhaulError, type ErrorCode } from '@backhaul/runtime';
import { expect } from 'chai';

/** What an action ends in: a coded refusal, or nothing. Anything else thrown is a defect and goes through. */
export function codeOf(action: () => unknown): ErrorCode | undefined {
  try {
    action();
    return undefined;
  } catch (thrown) {
    if (thrown instanceof BackhaulError) return thrown.code;
    throw thrown;
  }
}

export async function codeOfAsync(action: () => Promise<unknown>): Promise<ErrorCode | undefined> {
  try {
    await action();
    return undefined;
  } catch (thrown) {
    if (thrown instanceof BackhaulError) return thrown.code;
    throw thrown;
  }
}

export function expectCode(action: () => unknown, code: ErrorCode): void {
  expect(codeOf(action)).to.equal(code);
}
