import type { EpochKnowledge } from '@backhaul/transport';

/** One epoch of a source. */
export interface EpochRecord {
  readonly epoch: string;
  /** from 1, in the order of appearance here */
  readonly ordinal: number;
  /** the source has spoken in it itself, as our direct child; otherwise another hop told of it */
  readonly direct: boolean;
}

/**
 * The epochs of one source, by ordinal. Values are never changed, only replaced. Which epoch is the newest is sure only
 * where the source itself is heard: an older one may still travel through other hops and appear here for the first time.
 */
export type Epochs = readonly EpochRecord[];

/** The epoch has been heard, by the source itself or not. The same list when nothing is new. */
export function heard(epochs: Epochs, epoch: string, direct: boolean): Epochs {
  const known = epochs.find((record) => record.epoch === epoch);
  if (!known) return [...epochs, { epoch, ordinal: (epochs.at(-1)?.ordinal ?? 0) + 1, direct }];
  if (known.direct || !direct) return epochs;
  return epochs.map((record) => (record === known ? { ...record, direct } : record));
}

/** Epochs that may be the newest: nearly always one; two when one appeared through another hop after the source's own last. */
export function newest(epochs: Epochs): ReadonlySet<string> {
  const own = epochs.findLast(({ direct }) => direct);
  const last = epochs.at(-1);
  return new Set([own, last].flatMap((record) => record?.epoch ?? []));
}

/** What the watch over the epochs of a direct child has to know. */
export function knowledgeOf(epochs: Epochs, epoch: string): EpochKnowledge {
  const latest = newest(epochs);
  const own = epochs.findLast(({ direct }) => direct)?.epoch;
  return { newest: latest.has(epoch) ? epoch : own, known: epochs.some((record) => record.epoch === epoch) };
}
