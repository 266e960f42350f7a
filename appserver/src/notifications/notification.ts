import type { SEVERITIES } from '@backhaul/envelope';

export type Severity = (typeof SEVERITIES)[number];

/** Something that people outside should hear of, as whoever notices it hands it in. */
export interface NewNotification {
  /** dot-separated, first the noun: `component.overdue`, `alarm.open` */
  readonly kind: string;
  readonly severity: Severity;
  /** whose it is; `provider` for the provider's own */
  readonly customer: string;
  readonly site: string | null;
  /** what it is about: the ID of a component, of a support instance */
  readonly subject: string;
  /** a sentence or two for people; the first line is a mail's subject */
  readonly text: string;
  /** the same for programs */
  readonly data?: Readonly<Record<string, unknown>>;
}

/** `id` is the idempotency key: the same at every attempt and at every sender. */
export interface Notification extends NewNotification {
  readonly id: string;
  /** wall ms */
  readonly at: number;
  readonly data: Readonly<Record<string, unknown>>;
}

/**
 * One way out. `send` resolves when the receiver has taken the notification, and throws BH-E-NOTIFY (try again, after the
 * wait it may carry) or BH-E-NOTIFY-REFUSED (never). It comes to an end within its own timeout whatever the receiver does.
 */
export interface NotificationSender {
  readonly name: string;
  readonly use: 'webhook' | 'mail';
  /** where it goes, without secrets */
  readonly target: string;
  readonly filter: NotificationFilter;
  send(notification: Notification, signal: AbortSignal): Promise<void>;
  close(): Promise<void>;
}

/** What is left out lets everything pass. A kind may end in `.*`. */
export interface NotificationFilter {
  readonly kinds?: readonly string[] | undefined;
  readonly customers?: readonly string[] | undefined;
  readonly severities?: readonly Severity[] | undefined;
}

export function passes(
  { kinds, customers, severities }: NotificationFilter,
  { kind, customer, severity }: NewNotification,
): boolean {
  return (
    (kinds === undefined || kinds.some((wanted) => isOfKind(kind, wanted))) &&
    (customers === undefined || customers.includes(customer)) &&
    (severities === undefined || severities.includes(severity))
  );
}

const isOfKind = (kind: string, wanted: string): boolean =>
  wanted.endsWith('.*') ? kind.startsWith(wanted.slice(0, -1)) : kind === wanted;
