/**
 * An artifact on its way down: one record for each offer.
 *
 * States: `asking` for leave (modules, disk) · `fetching` from above, once · `offered` to those below and served ·
 * back to `fetching` when its file is gone here · `finished`: the record goes, the file too when no other offer needs it.
 * Destinations: `waiting` for their offer · `offered` · `served` to the last byte · `done`, they said that they have it ·
 * `gave-up`, they said that they do not want it, or its time is over.
 *
 * Invariants: bytes are fetched only after every yes [DESIGN §6] · a destination hears of an artifact only when it is here
 * whole · the offer reaches a mailbox in the commit that says so · an artifact is served while one destination may want it.
 * Pure: `step` is told what has happened and says what is to be done; running it twice with the same event is harmless.
 */
export type TransferState = 'asking' | 'fetching' | 'offered' | 'finished';
export type DestinationState = 'waiting' | 'offered' | 'served' | 'done' | 'gave-up';

export interface TransferDestination {
  readonly id: string;
  readonly state: DestinationState;
  readonly reason?: string;
}

export interface Transfer {
  /** id of the offer message */
  readonly id: string;
  readonly sha256: string;
  /** bytes */
  readonly size: number;
  readonly class: string;
  readonly subclass: string;
  readonly name: string;
  readonly version: string;
  readonly state: TransferState;
  readonly destinations: readonly TransferDestination[];
  /** wall ms at this component */
  readonly expiresAt?: number;
  /** wall ms: nothing is tried before */
  readonly notBefore: number;
  /** wall ms at which the last destination was served whole */
  readonly servedAt?: number;
  readonly refusalTold: boolean;
  readonly wanBytes: number;
  readonly fetches: number;
  readonly lanBytes: number;
  /** the offer as it came, base64 */
  readonly offer: { readonly header: string; readonly body: string; readonly receivedAt: number };
}

export type RefusalCode = 'BH-E-BULK-REFUSED' | 'BH-E-BULK-SPACE';

export type TransferEvent =
  | { readonly type: 'allowed' }
  | { readonly type: 'refused'; readonly code: RefusalCode; readonly reason: string; readonly waitMs: number }
  /** `bytes` came from above for it */
  | { readonly type: 'fetched'; readonly bytes: number; readonly fetches: number }
  | {
      readonly type: 'fetch-failed';
      readonly reason: string;
      readonly final: boolean;
      readonly waitMs: number;
      readonly bytes: number;
    }
  /** its file is not here any more (a disk that was changed, a folder that was emptied) */
  | { readonly type: 'lost' }
  /** these have room in their mailboxes */
  | { readonly type: 'room'; readonly ids: readonly string[] }
  | { readonly type: 'served'; readonly id: string; readonly bytes: number; readonly complete: boolean }
  | { readonly type: 'answered'; readonly id: string; readonly has: boolean; readonly reason?: string }
  | { readonly type: 'tick' };

/** What the commit of the new state also does. */
export type TransferEffect =
  | { readonly do: 'grant' }
  | { readonly do: 'refuse'; readonly code: string; readonly reason: string; readonly waitMs: number }
  | { readonly do: 'offer'; readonly to: readonly string[] }
  | { readonly do: 'report' };

export interface TransferStep {
  readonly transfer: Transfer;
  readonly effects: readonly TransferEffect[];
}

/** A destination that was served whole but says nothing keeps the artifact published so long: it may come back for it. */
export const LINGER_MS = 10 * 60 * 1000;
/** Nothing is put off longer: a time further off than this was written by a clock that has been set back since. */
const LONGEST_WAIT_MS = 15 * 60 * 1000;

export function step(transfer: Transfer, event: TransferEvent, now: number): TransferStep {
  if (transfer.state === 'finished') return { transfer, effects: [] };
  const moved = move(transfer, event, now);
  const closed = close(moved.transfer, now);
  const report = closed.state === 'finished' ? [{ do: 'report' } as const] : [];
  return { transfer: closed, effects: [...moved.effects, ...report] };
}

/** How long nothing is tried yet, ms. */
export function waitOf({ notBefore }: Transfer, now: number): number {
  const left = notBefore - now;
  return left > LONGEST_WAIT_MS ? 0 : Math.max(0, left);
}

function move(transfer: Transfer, event: TransferEvent, now: number): TransferStep {
  switch (event.type) {
    case 'allowed':
      return transfer.state === 'asking' ? grant(transfer) : unchanged(transfer);
    case 'refused':
      return transfer.state === 'asking' ? refuse(transfer, event, now) : unchanged(transfer);
    case 'fetched':
      return transfer.state === 'fetching' ? fetched(transfer, event) : unchanged(transfer);
    case 'fetch-failed':
      return transfer.state === 'fetching' ? fetchFailed(transfer, event, now) : unchanged(transfer);
    case 'lost':
      return unchanged(transfer.state === 'offered' ? { ...transfer, state: 'fetching', notBefore: 0 } : transfer);
    case 'room':
      return transfer.state === 'offered' ? offer(transfer, event.ids) : unchanged(transfer);
    case 'served':
      return unchanged(served(transfer, event, now));
    case 'answered':
      return unchanged(answered(transfer, event));
    case 'tick':
      return unchanged(transfer);
  }
}

function grant(transfer: Transfer): TransferStep {
  return { transfer: { ...transfer, state: 'fetching', notBefore: 0 }, effects: [{ do: 'grant' }] };
}

/** Told once; asked again after the wait, until it expires: a refusal is for now. */
function refuse(
  transfer: Transfer,
  { code, reason, waitMs }: Extract<TransferEvent, { type: 'refused' }>,
  now: number,
): TransferStep {
  const effects: TransferEffect[] = transfer.refusalTold ? [] : [{ do: 'refuse', code, reason, waitMs }];
  return { transfer: { ...transfer, refusalTold: true, notBefore: putOff(now, waitMs) }, effects };
}

function putOff(now: number, waitMs: number): number {
  return now + Math.min(waitMs, LONGEST_WAIT_MS);
}

function fetched(transfer: Transfer, { bytes, fetches }: { bytes: number; fetches: number }): TransferStep {
  return unchanged({
    ...transfer,
    state: 'offered',
    wanBytes: transfer.wanBytes + bytes,
    fetches: transfer.fetches + fetches,
  });
}

function fetchFailed(
  transfer: Transfer,
  { reason, final, waitMs, bytes }: { reason: string; final: boolean; waitMs: number; bytes: number },
  now: number,
): TransferStep {
  const tried = {
    ...transfer,
    wanBytes: transfer.wanBytes + bytes,
    fetches: transfer.fetches + 1,
    notBefore: putOff(now, waitMs),
  };
  if (!final) return unchanged(tried);
  const effects: TransferEffect[] = [{ do: 'refuse', code: reason, reason: 'it cannot be fetched', waitMs: 0 }];
  return { transfer: giveUpAll(tried, reason), effects };
}

function offer(transfer: Transfer, ids: readonly string[]): TransferStep {
  const to = transfer.destinations
    .filter(({ id, state }) => state === 'waiting' && ids.includes(id))
    .map(({ id }) => id);
  if (to.length === 0) return unchanged(transfer);
  const destinations = transfer.destinations.map((one) =>
    to.includes(one.id) ? { ...one, state: 'offered' as const } : one,
  );
  return { transfer: { ...transfer, destinations }, effects: [{ do: 'offer', to }] };
}

function served(
  transfer: Transfer,
  { id, bytes, complete }: { id: string; bytes: number; complete: boolean },
  now: number,
): Transfer {
  const counted = { ...transfer, lanBytes: transfer.lanBytes + bytes };
  if (!complete) return counted;
  return {
    ...change(counted, id, (one) => (one.state === 'offered' ? { ...one, state: 'served' } : one)),
    servedAt: now,
  };
}

function answered(transfer: Transfer, { id, has, reason }: { id: string; has: boolean; reason?: string }): Transfer {
  const told = reason === undefined ? {} : { reason };
  return change(transfer, id, (one) => {
    if (isOver(one)) return one;
    return { id, state: has ? 'done' : 'gave-up', ...told };
  });
}

/** Its time is over for all, or nobody is left who may want it. */
function close(transfer: Transfer, now: number): Transfer {
  const expired = transfer.expiresAt !== undefined && transfer.expiresAt <= now;
  const left = expired ? giveUpAll(transfer, 'expired') : transfer;
  const lingered = left.servedAt !== undefined && left.servedAt + LINGER_MS <= now;
  const over = left.destinations.every((one) => isOver(one) || (lingered && one.state === 'served'));
  return over ? { ...left, state: 'finished' } : left;
}

function giveUpAll(transfer: Transfer, reason: string): Transfer {
  const destinations = transfer.destinations.map(
    (one): TransferDestination =>
      isOver(one) || one.state === 'served' ? one : { id: one.id, state: 'gave-up', reason },
  );
  return {
    ...transfer,
    destinations: destinations.map((one) => (one.state === 'served' ? { ...one, state: 'done' } : one)),
  };
}

function change(transfer: Transfer, id: string, edit: (one: TransferDestination) => TransferDestination): Transfer {
  return { ...transfer, destinations: transfer.destinations.map((one) => (one.id === id ? edit(one) : one)) };
}

function isOver({ state }: TransferDestination): boolean {
  return state === 'done' || state === 'gave-up';
}

function unchanged(transfer: Transfer): TransferStep {
  return { transfer, effects: [] };
}
