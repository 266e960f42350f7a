import { createHmac } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { createServer, type IncomingHttpHeaders, type RequestListener, type Server } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { inspect } from 'node:util';
import { type BackhaulError, Secret, systemClock } from '@backhaul/runtime';
import { type TemporaryDirectory, temporaryDirectory } from '@backhaul/testkit';
import { expect } from 'chai';
import { SMTPServer, type SMTPServerOptions } from 'smtp-server';
import { MailSender } from '../src/notifications/mail-sender.ts';
import type { Notification } from '../src/notifications/notification.ts';
import { type MailConfig, notificationConfig, type WebhookConfig } from '../src/notifications/notification-config.ts';
import { WebhookSender } from '../src/notifications/webhook-sender.ts';
import { APPSERVER, tls } from './support/test-appserver.ts';

const KEY = 'a-key-that-nobody-may-see';
const PASSWORD = 'a-password-that-nobody-may-see';
const NOTIFICATION: Notification = {
  ...{ id: '06f3xabc', kind: 'component.overdue', severity: 'major', customer: 'c1', site: 'site-a', subject: 'c1.p1' },
  ...{ at: Date.UTC(2026, 10, 21), text: 'proxy c1.p1 is overdue: Lüfter\nsecond line', data: { component: 'c1.p1' } },
};
const forever = new AbortController().signal;

const outcomeOf = (work: Promise<unknown>) =>
  work.then(
    () => 'taken',
    (error: BackhaulError) => `${error.code}: ${error.detail}`,
  );

interface Posted {
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
  readonly method: string | undefined;
}

describe('Notifications: the webhook sender', () => {
  const servers: Server[] = [];
  const senders: WebhookSender[] = [];
  let folder: TemporaryDirectory;

  before(async () => (folder = await temporaryDirectory('backhaul-webhook-')));
  afterEach(async () => {
    for (const sender of senders.splice(0)) await sender.close();
    for (const server of servers.splice(0)) {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    }
  });
  after(() => folder.remove());

  const listen = async (server: Server) => {
    servers.push(server);
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    return (server.address() as AddressInfo).port;
  };
  const receiver = async (answer: RequestListener) =>
    `http://127.0.0.1:${await listen(createServer(answer))}/hook?token=t`;
  const configOf = (settings: object): WebhookConfig => {
    const base = { name: 'desk', use: 'webhook', secret: KEY };
    return notificationConfig.parse({ senders: [{ ...base, ...settings }] }).senders[0] as WebhookConfig;
  };
  const senderTo = (url: string, settings: object = {}) => {
    senders.push(new WebhookSender(configOf({ url, ...settings }), systemClock));
    return senders.at(-1)!;
  };
  /** Takes everything and remembers it. */
  const taking =
    (posted: Posted[]): RequestListener =>
    (request, response) => {
      let body = '';
      request.setEncoding('utf8').on('data', (chunk) => (body += chunk));
      request.on('end', () => {
        posted.push({ headers: request.headers, body, method: request.method });
        response.writeHead(204).end();
      });
    };

  it('posts JSON that the receiver can check: signed over id, time stamp and body', async () => {
    const posted: Posted[] = [];
    await senderTo(await receiver(taking(posted))).send(NOTIFICATION, forever);
    const { headers, body, method } = posted[0]!;
    expect(method).to.equal('POST');
    expect(JSON.parse(body)).to.deep.equal({ ...NOTIFICATION, at: '2026-11-21T00:00:00.000Z' });
    const id = headers['webhook-id'];
    expect(id).to.equal(NOTIFICATION.id);
    const signed = `${id}.${headers['webhook-timestamp']}.${body}`;
    expect(headers['webhook-signature']).to.equal(`v1,${createHmac('sha256', KEY).update(signed).digest('base64')}`);
    expect(Math.abs(Number(headers['webhook-timestamp']) * 1_000 - Date.now())).to.be.below(10_000);
  });

  it('takes a key as Standard Webhooks write it', async () => {
    const posted: Posted[] = [];
    const secret = `whsec_${Buffer.from('raw key').toString('base64')}`;
    await senderTo(await receiver(taking(posted)), { secret }).send(NOTIFICATION, forever);
    const { headers, body } = posted[0]!;
    const signed = `${headers['webhook-id']}.${headers['webhook-timestamp']}.${body}`;
    expect(headers['webhook-signature']).to.equal(
      `v1,${createHmac('sha256', 'raw key').update(signed).digest('base64')}`,
    );
  });

  it('follows no redirect: only the configured address is ever asked', async () => {
    const elsewhere: Posted[] = [];
    const location = await receiver(taking(elsewhere));
    const url = await receiver((_, response) => response.writeHead(307, { location }).end());
    expect(await outcomeOf(senderTo(url).send(NOTIFICATION, forever))).to.equal('BH-E-NOTIFY: HTTP 307');
    expect(elsewhere).to.deep.equal([]);
  });

  it('tells what may be tried again from what never will be taken, and how long to wait', async () => {
    const seen: string[] = [];
    for (const status of [400, 401, 404, 413, 422, 429, 500, 503]) {
      const url = await receiver((_, response) => response.writeHead(status, { 'retry-after': '120' }).end('no'));
      const error = await senderTo(url)
        .send(NOTIFICATION, forever)
        .catch((thrown: BackhaulError) => thrown);
      seen.push(`${status} ${(error as BackhaulError).retryable} ${(error as BackhaulError).retryAfterMs}`);
    }
    expect(seen).to.deep.equal([
      ...['400 false undefined', '401 true 120000', '404 true 120000', '413 false undefined', '422 false undefined'],
      ...['429 true 120000', '500 true 120000', '503 true 120000'],
    ]);
  });

  it('gives up on a receiver that hangs, also one that sends its answer without end', async () => {
    const hanging = await receiver(() => undefined);
    const began = performance.now();
    expect(await outcomeOf(senderTo(hanging, { timeoutMs: 200 }).send(NOTIFICATION, forever))).to.match(
      /^BH-E-NOTIFY: no answer within 200 ms/,
    );
    const endless = await receiver((_, response) => {
      response.writeHead(200);
      const timer = setInterval(() => response.write('x'.repeat(1_000)), 20);
      response.on('close', () => clearInterval(timer));
    });
    await outcomeOf(senderTo(endless, { timeoutMs: 200 }).send(NOTIFICATION, forever));
    expect(performance.now() - began).to.be.below(5_000);
  });

  it('says so when nobody listens', async () => {
    const outcome = await outcomeOf(senderTo('http://127.0.0.1:1/hook').send(NOTIFICATION, forever));
    expect(outcome).to.match(/^BH-E-NOTIFY: /);
  });

  it('checks the certificate of the receiver', async () => {
    const { key, cert } = tls().component(APPSERVER);
    const posted: Posted[] = [];
    const url = `https://127.0.0.1:${await listen(createTlsServer({ key, cert }, taking(posted)))}/hook`;
    expect(await outcomeOf(senderTo(url).send(NOTIFICATION, forever))).to.match(/^BH-E-NOTIFY: /);
    const roots = join(folder.path, 'roots.pem');
    writeFileSync(roots, tls().roots);
    expect(await outcomeOf(senderTo(url, { roots }).send(NOTIFICATION, forever))).to.equal('taken');
    expect(posted).to.have.length(1);
  });

  it('is configured with https, or http on loopback, and shows its key, its path and its query nowhere', () => {
    expect(() => configOf({ url: 'http://hooks.example.com/x' })).to.throw('https');
    expect(() => configOf({ url: 'http://127.0.0.1.evil.example/x' })).to.throw('https');
    expect(() => configOf({ url: 'https://user:pw@hooks.example.com/x' })).to.throw('https');
    const config = configOf({ url: 'https://hooks.example.com/x?token=t' });
    expect(config.secret).to.be.instanceOf(Secret);
    const sender = senderTo('https://hooks.example.com/x?token=t');
    expect(sender.target).to.equal('https://hooks.example.com/…');
    expect(`${inspect(config)}${JSON.stringify(config)}${inspect(sender)}`).to.not.contain(KEY);
  });
});

interface Received {
  readonly from: string;
  readonly to: string[];
  readonly raw: string;
  readonly secure: boolean;
  readonly user: string | undefined;
}

describe('Notifications: the mail sender', () => {
  const servers: SMTPServer[] = [];
  let folder: TemporaryDirectory;
  let received: Received[];

  before(async () => {
    folder = await temporaryDirectory('backhaul-mail-');
    writeFileSync(join(folder.path, 'roots.pem'), tls().roots);
  });
  beforeEach(() => (received = []));
  afterEach(async () => {
    for (const server of servers.splice(0)) await new Promise<void>((resolve) => server.close(() => resolve()));
  });
  after(() => folder.remove());

  const smtp = async (options: SMTPServerOptions = {}) => {
    const { key, cert } = tls().component(APPSERVER);
    const server = new SMTPServer({
      ...{ key, cert, logger: false, authOptional: true },
      onAuth: ({ username, password }, _session, done) =>
        done(password === PASSWORD ? null : new Error('wrong'), { user: username }),
      onData: (stream, session, done) => {
        let raw = '';
        stream.setEncoding('utf8').on('data', (chunk: string) => (raw += chunk));
        stream.on('end', () => {
          const { mailFrom, rcptTo } = session.envelope;
          const from = mailFrom === false ? '' : mailFrom.address;
          const to = rcptTo.map(({ address }) => address);
          received.push({ from, to, raw, secure: session.secure, user: session.user as string | undefined });
          done();
        });
      },
      ...options,
    });
    server.on('error', () => undefined);
    servers.push(server);
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', () => resolve()));
    return (server.server.address() as AddressInfo).port;
  };
  const configOf = (settings: object): MailConfig => {
    const base = {
      name: 'desk',
      use: 'mail',
      host: '127.0.0.1',
      from: 'backhaul@provider.example',
      to: ['duty@provider.example', 'second@provider.example'],
    };
    return notificationConfig.parse({ senders: [{ ...base, ...settings }] }).senders[0] as MailConfig;
  };
  const roots = () => join(folder.path, 'roots.pem');
  const send = (settings: object, notification = NOTIFICATION) => new MailSender(configOf(settings)).send(notification);

  it('sends a text mail over STARTTLS, logged in, with a stable Message-ID', async () => {
    const port = await smtp();
    await send({ port, roots: roots(), user: 'backhaul', password: PASSWORD });
    const [mail] = received;
    expect(mail).to.deep.include({
      ...{ from: 'backhaul@provider.example', to: ['duty@provider.example', 'second@provider.example'] },
      ...{ secure: true, user: 'backhaul' },
    });
    expect(mail!.raw).to.contain('Message-ID: <06f3xabc@provider.example>');
    expect(mail!.raw).to.match(/^Auto-Submitted: auto-generated/m);
    expect(mail!.raw).to.match(/^Subject: =\?UTF-8\?/m);
    expect(mail!.raw).to.contain('severity: major');
  });

  it('speaks TLS from the first byte when told so', async () => {
    const port = await smtp({ secure: true });
    await send({ port, roots: roots(), security: 'tls' });
    expect(received[0]!.secure).to.equal(true);
  });

  it('insists on STARTTLS and on the certificate', async () => {
    const plain = await smtp({ disabledCommands: ['STARTTLS'] });
    expect(await outcomeOf(send({ port: plain, roots: roots() }))).to.match(/^BH-E-NOTIFY: /);
    const foreign = await smtp();
    expect(await outcomeOf(send({ port: foreign }))).to.match(/^BH-E-NOTIFY: /);
    expect(received).to.deep.equal([]);
  });

  it('T-A28: a line break in a text makes no header', async () => {
    const port = await smtp({ hideSTARTTLS: true });
    const text = 'fan\r\nBcc: victim@example.com\r\n\r\nbody\r\n.\r\nMAIL FROM:<x@y.example>';
    await send(
      { port, security: 'none' },
      { ...NOTIFICATION, text, subject: 'a\r\nX-Evil: 1', customer: 'c\nX-Evil: 2' },
    );
    expect(received).to.have.length(1);
    expect(received[0]!.to).to.have.length(2);
    const head = received[0]!.raw.split('\r\n\r\n')[0]!;
    expect(head).to.not.match(/^(?:Bcc|X-Evil):/m);
  });

  it('tells a receiver that does not exist from a wrong password, which a person may put right', async () => {
    const unknown = await smtp({
      hideSTARTTLS: true,
      onRcptTo: (_address, _session, done) => done(Object.assign(new Error('no such user'), { responseCode: 550 })),
    });
    expect(await outcomeOf(send({ port: unknown, security: 'none' }))).to.match(/^BH-E-NOTIFY-REFUSED: EENVELOPE 550/);
    const port = await smtp();
    const wrong = outcomeOf(send({ port, roots: roots(), user: 'backhaul', password: 'wrong' }));
    expect(await wrong).to.match(/^BH-E-NOTIFY: EAUTH/);
    const later = await smtp({
      hideSTARTTLS: true,
      onMailFrom: (_address, _session, done) => done(Object.assign(new Error('greylisted'), { responseCode: 451 })),
    });
    expect(await outcomeOf(send({ port: later, security: 'none' }))).to.match(/^BH-E-NOTIFY: /);
  });

  it('gives up on a server that hangs', async () => {
    const port = await smtp({ hideSTARTTLS: true, onMailFrom: () => undefined });
    const began = performance.now();
    expect(await outcomeOf(send({ port, security: 'none', timeoutMs: 300 }))).to.match(/^BH-E-NOTIFY: ETIMEDOUT/);
    expect(performance.now() - began).to.be.below(5_000);
  });

  it('shows its password nowhere, and does without TLS on loopback only', () => {
    expect(() => configOf({ host: 'mail.example', security: 'none' })).to.throw('loopback');
    expect(() => configOf({ user: 'somebody' })).to.throw('password');
    const config = configOf({ user: 'u', password: PASSWORD });
    expect(`${inspect(config)}${JSON.stringify(config)}`).to.not.contain(PASSWORD);
    expect(new MailSender(config).target).to.not.contain(PASSWORD);
  });
});
