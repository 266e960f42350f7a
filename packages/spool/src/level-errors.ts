import { BackhaulError } from '@backhaul/runtime';

/** abstract-level wraps what the database said. */
function codeOf(error: unknown): string | undefined {
  const { code, cause } = error as { code?: string; cause?: unknown };
  return cause === undefined ? code : (codeOf(cause) ?? code);
}

/** LevelDB itself found a block, a table or its manifest damaged, missing (ENOENT), or too short (EINVAL: a read past its end). */
export function isDamage(error: unknown): boolean {
  const code = codeOf(error);
  return (
    code === 'LEVEL_CORRUPTION' ||
    (code === 'LEVEL_IO_ERROR' && /Invalid argument|No such file/.test(describeError(error)))
  );
}

export function isLocked(error: unknown): boolean {
  return codeOf(error) === 'LEVEL_LOCKED';
}

export function describeError(error: unknown): string {
  const { message, cause } = error as { message?: string; cause?: { message?: string } };
  return cause?.message ?? message ?? String(error);
}

export function stopped(cause?: unknown): BackhaulError {
  return new BackhaulError('BH-E-SPOOL-STOPPED', { retryAfterMs: 2_000, ...(cause === undefined ? {} : { cause }) });
}
