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

/** What the innermost says. */
export function describeError(error: unknown): string {
  const { message, cause } = error as { message?: string; cause?: unknown };
  return cause === undefined || cause === null ? (message ?? String(error)) : describeError(cause);
}

/** Coded already, as a lock that is held is, or what the disk did not let LevelDB do. */
export function notOpened(error: unknown): BackhaulError {
  if (error instanceof BackhaulError) return error;
  return new BackhaulError('BH-E-SPOOL-STOPPED', {
    detail: `the database cannot be opened: ${describeError(error)}`,
    retryAfterMs: 2_000,
    cause: error,
  });
}

export function stopped(cause?: unknown): BackhaulError {
  return new BackhaulError('BH-E-SPOOL-STOPPED', { retryAfterMs: 2_000, ...(cause === undefined ? {} : { cause }) });
}
