import { readFileSync } from 'node:fs';
import { BackhaulError, isoTime } from '@backhaul/runtime';
import { createTransport, type Transporter } from 'nodemailer';
import type { Notification, NotificationFilter, NotificationSender } from './notification.ts';
import type { MailConfig } from './notification-config.ts';

const SUBJECT_CHARACTERS = 160;

/** Sends notifications as plain-text mails; the Message-ID is the same at every attempt, so that a receiver can tell. */
export class MailSender implements NotificationSender {
  readonly use = 'mail';
  readonly name: string;
  readonly target: string;
  readonly filter: NotificationFilter;
  readonly #config: MailConfig;
  readonly #transport: Transporter;

  constructor(config: MailConfig) {
    this.name = config.name;
    this.target = `${config.to.join(', ')} by ${config.host}:${config.port}`;
    this.filter = config.filter;
    this.#config = config;
    this.#transport = createTransport(transportOptions(config));
  }

  /** A connection for each mail: they are few, and an idle one would have been closed by the server. */
  async send(notification: Notification): Promise<void> {
    const { from, to } = this.#config;
    const { id, kind, severity, customer, site, subject, at } = notification;
    const [first = subject] = notification.text.split('\n');
    const facts = [
      ['kind', kind], ['severity', severity], ['subject', subject], ['customer', customer], ['site', site ?? '-'], ['at', isoTime(at)], ['id', id],
    ]; // biome-ignore format: one list
    try {
      await this.#transport.sendMail({
        from,
        to: [...to],
        subject: oneLine(`[backhaul] ${severity}: ${first}`),
        text: `${notification.text}\n\n${facts.map(([name, value]) => `${name}: ${value}`).join('\n')}\n`,
        messageId: `<${id}@${from.slice(from.lastIndexOf('@') + 1)}>`,
        headers: { 'Auto-Submitted': 'auto-generated', 'X-Backhaul-Notification': id },
        date: new Date(at),
        disableFileAccess: true,
        disableUrlAccess: true,
      });
    } catch (error) {
      throw failureOf(error);
    }
  }

  async close(): Promise<void> {
    this.#transport.close();
  }
}

function transportOptions({ host, port, security, user, password, roots, timeoutMs }: MailConfig) {
  return {
    host,
    port,
    secure: security === 'tls',
    requireTLS: security === 'starttls',
    ignoreTLS: security === 'none',
    tls: { minVersion: 'TLSv1.2' as const, ...(roots === undefined ? {} : { ca: readFileSync(roots, 'utf8') }) },
    ...(user === undefined || password === undefined ? {} : { auth: { user, pass: password.reveal() } }),
    connectionTimeout: timeoutMs,
    greetingTimeout: timeoutMs,
    socketTimeout: timeoutMs,
    dnsTimeout: timeoutMs,
  };
}

/** [T-A28] a header is one line, whatever an integrator wrote into its text. */
const oneLine = (text: string): string =>
  text.replaceAll(/[\u0000-\u001f\u007f-\u009f\u2028\u2029]+/g, ' ').slice(0, SUBJECT_CHARACTERS);

/** What the server says of this mail (5xx to envelope or data) is final; everything else may be put right by a person. */
function failureOf(error: unknown): BackhaulError {
  const { responseCode, code, message } = error as { responseCode?: number; code?: string; message?: string };
  const detail = `${code ?? 'SMTP'}${responseCode === undefined ? '' : ` ${responseCode}`}: ${(message ?? '').slice(0, 200)}`;
  const final = responseCode !== undefined && responseCode >= 550 && responseCode < 560;
  const about = code === 'EENVELOPE' || code === 'EMESSAGE';
  return new BackhaulError(final && about ? 'BH-E-NOTIFY-REFUSED' : 'BH-E-NOTIFY', { detail, cause: error });
}
