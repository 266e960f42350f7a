import { type Change, stagedChange } from '@backhaul/spool';

/** Several changes as one. */
export function joinChanges(changes: readonly Change[]): Change {
  return stagedChange(
    () => changes.flatMap(({ ops }) => ops),
    () => {
      for (const change of changes) change.applied();
    },
  );
}
