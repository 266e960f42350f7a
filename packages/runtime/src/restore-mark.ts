/** Written into a data folder by `backhaul restore`; the role takes it away once its store has begun a new epoch. */
export const RESTORE_MARK = 'restored.json';
