import { X509Certificate } from 'node:crypto';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { connect, createServer, type Server, type TLSSocket } from 'node:tls';
import { certificateIdentity, clientTlsOptions, identityOf, peerIdentity, serverTlsOptions } from '@backhaul/identity';
import { BackhaulError } from '@backhaul/runtime';
import { expect } from 'chai';
import {
  CUSTOMER,
  constraints,
  DAY,
  dns,
  eku,
  email,
  GOOD_URI,
  goodExtensions,
  ip,
  keyUsage,
  leafExtensions,
  leafKey,
  makeCa,
  makeCertificate,
  newKey,
  otherKey,
  type Party,
  PROXY_ID,
  pem,
  sans,
  TRUST_DOMAIN,
  uri,
} from './certificate-factory.ts';

const root = makeCa('root');
const issuing = makeCa('issuing', { issuer: root }, 0);
const foreign = makeCa('root');
const MLM_ID = `${CUSTOMER}.m1`;
const mlmUri = `spiffe://${TRUST_DOMAIN}/${CUSTOMER}/mlm/${MLM_ID}`;
const mlm = makeCertificate({
  issuer: issuing,
  extensions: leafExtensions([uri(mlmUri)], ['clientAuth', 'serverAuth']),
});

const leaf = (extensions: object[], plan: object = {}): Party =>
  makeCertificate({ issuer: issuing, extensions, ...plan });
const named = (...names: object[]): Party => leaf(goodExtensions(...names));
const chain = (party: Party, ...above: Party[]) => ({
  cert: [party, ...above].map(({ cert }) => cert).join(''),
  key: party.key,
});
const below = (party: Party) => chain(party, issuing);

/** Flips one bit near the end of what is signed. */
function flipSigned(der: Buffer): Buffer {
  const copy = Buffer.from(der);
  const at = copy.indexOf(Buffer.from(GOOD_URI)) + GOOD_URI.length - 1;
  copy[at] = copy[at]! ^ 3;
  return copy;
}

/** Changes bytes of the URI before it is read, keeping lengths; the certificate is then one that a CA signed so. */
function rawUri(bytes: string): Party {
  return named({ type: 6, value: bytes });
}

/** `accepted`, a code, or `handshake` and what OpenSSL found wrong. */
type Outcome = string;
interface Case {
  readonly name: string;
  readonly shown: { cert: string; key: Party['key'] } | undefined;
  readonly expected: Outcome;
}

const NAME = 'BH-E-ID-NAME';
const USE = 'BH-E-ID-CERTIFICATE';

function clientCases(): Case[] {
  const cases: Case[] = [];
  const add = (name: string, expected: Outcome, shown: Case['shown']) => cases.push({ name, expected, shown });
  add('the good one', 'accepted', below(named(uri(GOOD_URI))));
  add(
    'DNS, IP and mail names beside the one URI',
    'accepted',
    below(named(dns('a.example'), uri(GOOD_URI), ip('10.0.0.1'), email('a@b'))),
  );
  // names
  add('no certificate', 'handshake UNABLE_TO_GET_ISSUER_CERT', undefined);
  add('URI in the common name only', NAME, below(leaf([constraints(false), eku('clientAuth')], { cn: GOOD_URI })));
  add('no subjectAltName', NAME, below(leaf([constraints(false), keyUsage('digitalSignature'), eku('clientAuth')])));
  add('empty subjectAltName', NAME, below(leaf([constraints(false), eku('clientAuth'), sans()])));
  add('two URI names', NAME, below(named(uri(GOOD_URI), uri(mlmUri))));
  add('the same URI twice', NAME, below(named(uri(GOOD_URI), uri(GOOD_URI))));
  add('a web address beside the URI', NAME, below(named(uri(GOOD_URI), uri('https://a.example/'))));
  add('URI text as DNS name', NAME, below(named(dns(GOOD_URI))));
  add('URI text as mail name', NAME, below(named(email(GOOD_URI))));
  add(
    'subjectAltName twice',
    'handshake UNABLE_TO_VERIFY_LEAF_SIGNATURE',
    below(leaf([...goodExtensions(), sans(uri(mlmUri))])),
  );
  const texts: Record<string, string> = {
    'other trust domain': GOOD_URI.replace(TRUST_DOMAIN, 'other.example'),
    'trust domain with more after it': GOOD_URI.replace(TRUST_DOMAIN, `${TRUST_DOMAIN}.evil`),
    'trust domain with more before it': GOOD_URI.replace(TRUST_DOMAIN, `evil.${TRUST_DOMAIN}`),
    'scheme in capitals': GOOD_URI.replace('spiffe', 'SPIFFE'),
    'trust domain in capitals': GOOD_URI.replace(TRUST_DOMAIN, TRUST_DOMAIN.toUpperCase()),
    'other scheme': GOOD_URI.replace('spiffe', 'https'),
    'kind that does not fit the ID': GOOD_URI.replace('/proxy/', '/appserver/'),
    'unknown kind': GOOD_URI.replace('/proxy/', '/root/'),
    'customer that does not fit the ID': GOOD_URI.replace(`/${CUSTOMER}/proxy`, '/c99999999/proxy'),
    'provider as customer of another ID': GOOD_URI.replace(`/${CUSTOMER}/proxy`, '/provider/proxy'),
    'slash at the end': `${GOOD_URI}/`,
    'doubled slash': GOOD_URI.replace('/proxy/', '//proxy/'),
    'one segment more': `${GOOD_URI}/p2`,
    query: `${GOOD_URI}?x=1`,
    fragment: `${GOOD_URI}#x`,
    port: GOOD_URI.replace(TRUST_DOMAIN, `${TRUST_DOMAIN}:443`),
    user: GOOD_URI.replace(TRUST_DOMAIN, `x@${TRUST_DOMAIN}`),
    'percent sign': GOOD_URI.replace('.p1', '%2ep1'),
    'dot segments': GOOD_URI.replace('/proxy/', '/mlm/../proxy/'),
    wildcard: GOOD_URI.replace('.p1', '.*'),
    'number with a leading zero': GOOD_URI.replace('.p1', '.p01'),
    'an instance below a proxy': `${GOOD_URI}.s1`,
    'NUL inside': GOOD_URI.replace('.p1', '.p1\u0000x'),
    'NUL at the end': `${GOOD_URI}\u0000`,
    'line end': `${GOOD_URI}\n`,
    'comma and another name': `https://a.example, URI:${GOOD_URI}`,
    quotes: `"${GOOD_URI}"`,
    'letter of another alphabet': GOOD_URI.replace('example', 'ex\u00e1mple'),
    'space before': ` ${GOOD_URI}`,
    'very long': GOOD_URI + '1'.repeat(5000),
    empty: '',
  };
  for (const [name, text] of Object.entries(texts)) add(`URI: ${name}`, NAME, below(rawUri(text)));
  // use
  add('for servers only', 'handshake INVALID_PURPOSE', below(leaf(leafExtensions([uri(GOOD_URI)], ['serverAuth']))));
  add(
    'no extended key usage',
    USE,
    below(leaf([constraints(false), keyUsage('digitalSignature'), sans(uri(GOOD_URI))])),
  );
  add('for code signing', 'handshake INVALID_PURPOSE', below(leaf(leafExtensions([uri(GOOD_URI)], ['codeSigning']))));
  add(
    'key usage without signing',
    'handshake INVALID_PURPOSE',
    below(leaf([constraints(false), keyUsage('keyEncipherment'), eku('clientAuth'), sans(uri(GOOD_URI))])),
  );
  add(
    'a leaf that says CA',
    USE,
    below(
      leaf([constraints(true), keyUsage('digitalSignature', 'keyCertSign'), eku('clientAuth'), sans(uri(GOOD_URI))]),
    ),
  );
  add(
    'an unknown critical extension',
    'handshake UNSPECIFIED',
    below(leaf([...goodExtensions(), { id: '1.3.6.1.4.1.99999.1', critical: true, value: '0' }])),
  );
  // dates
  add(
    'expired',
    'handshake CERT_HAS_EXPIRED',
    below(leaf(goodExtensions(), { notBefore: Date.now() - 2 * DAY, notAfter: Date.now() - DAY })),
  );
  add(
    'not yet valid',
    'handshake CERT_NOT_YET_VALID',
    below(leaf(goodExtensions(), { notBefore: Date.now() + DAY, notAfter: Date.now() + 2 * DAY })),
  );
  const oldIssuing = makeCa(
    'issuing',
    { issuer: root, key: otherKey, notBefore: Date.now() - 2 * DAY, notAfter: Date.now() - DAY },
    0,
  );
  add(
    'issuing certificate expired',
    'handshake CERT_HAS_EXPIRED',
    chain(leaf(goodExtensions(), { issuer: oldIssuing }), oldIssuing),
  );
  // chains
  const foreignIssuing = makeCa('issuing', { issuer: foreign, key: otherKey }, 0);
  add(
    'other authority of the same names',
    'handshake CERT_SIGNATURE_FAILURE',
    chain(leaf(goodExtensions(), { issuer: foreignIssuing }), foreignIssuing, foreign),
  );
  const unknown = makeCa('unknown', { key: otherKey });
  add(
    'unknown authority',
    'handshake SELF_SIGNED_CERT_IN_CHAIN',
    chain(leaf(goodExtensions(), { issuer: unknown }), unknown),
  );
  const sameKey = makeCa('same key, other name', { key: issuing.key });
  add(
    'authority of the same key and another name',
    'handshake SELF_SIGNED_CERT_IN_CHAIN',
    chain(leaf(goodExtensions(), { issuer: sameKey }), sameKey),
  );
  add(
    'signed by itself',
    'handshake DEPTH_ZERO_SELF_SIGNED_CERT',
    chain(makeCertificate({ extensions: goodExtensions() })),
  );
  add('without its issuing certificate', 'handshake UNABLE_TO_VERIFY_LEAF_SIGNATURE', chain(named(uri(GOOD_URI))));
  const good = makeCertificate({ issuer: root, extensions: goodExtensions() });
  const victim = goodExtensions(uri(mlmUri));
  add(
    'issued by a component',
    'handshake UNSPECIFIED',
    chain(makeCertificate({ cn: 'victim', issuer: good, key: otherKey, extensions: victim }), good),
  );
  const bare = leaf([keyUsage('digitalSignature', 'keyCertSign'), sans(uri(GOOD_URI))], { cn: 'bare', issuer: root });
  add(
    'issued by one without basic constraints',
    'handshake INVALID_CA',
    chain(makeCertificate({ issuer: bare, key: otherKey, extensions: victim }), bare),
  );
  const noSigning = makeCertificate({
    cn: 'no signing',
    issuer: root,
    extensions: [constraints(true, 0), keyUsage('digitalSignature')],
  });
  add(
    'issued by a CA that may not sign',
    'handshake UNSPECIFIED',
    chain(makeCertificate({ issuer: noSigning, key: otherKey, extensions: victim }), noSigning),
  );
  const subCa = makeCa('sub', { issuer: issuing, key: otherKey }, 0);
  add(
    'one authority too deep',
    'handshake PATH_LENGTH_EXCEEDED',
    chain(makeCertificate({ issuer: subCa, extensions: goodExtensions() }), subCa, issuing),
  );
  let deep = issuing;
  const tower: Party[] = [];
  for (let i = 0; i < 9; i++) tower.unshift((deep = makeCa(`deep ${i}`, { issuer: deep, key: otherKey }, 0)));
  add(
    'nine authorities too deep',
    'handshake PATH_LENGTH_EXCEEDED',
    chain(makeCertificate({ issuer: deep, extensions: goodExtensions() }), ...tower, issuing),
  );
  add('the root itself', 'handshake INVALID_PURPOSE', chain(root));
  add(
    'changed after it was signed',
    'handshake CERT_SIGNATURE_FAILURE',
    below(leaf(goodExtensions(), { tamper: flipSigned })),
  );
  // algorithms
  add('signed with SHA-1', 'handshake UNSPECIFIED', below(leaf(goodExtensions(), { digest: 'sha1' })));
  add('signed with MD5', 'handshake UNSPECIFIED', below(leaf(goodExtensions(), { digest: 'md5' })));
  add('a key of 1024 bits', 'handshake UNSPECIFIED', below(leaf(goodExtensions(), { key: newKey(1024) })));
  return cases;
}

class Listener {
  onSocket: ((socket: TLSSocket) => string) | undefined;
  #server: Server;

  /** `rejectUnauthorized: false` lets everybody in, to tell what OpenSSL found wrong. */
  constructor(changes: { rejectUnauthorized?: boolean } = {}) {
    const options = serverTlsOptions({ key: pem(mlm.key), cert: mlm.cert + issuing.cert, ca: root.cert });
    this.#server = createServer({ ...options, ...changes }, (socket) => this.#met(socket));
    this.#server.on('tlsClientError', (_error, socket) => socket.destroy());
  }

  async start(): Promise<number> {
    this.#server.listen(0, '127.0.0.1');
    await once(this.#server, 'listening');
    return (this.#server.address() as AddressInfo).port;
  }

  stop(): Promise<void> {
    return new Promise((resolve) => this.#server.close(() => resolve()));
  }

  #met(socket: TLSSocket): void {
    socket.on('error', () => {});
    try {
      if (this.onSocket) return void socket.end(this.onSocket(socket));
      const { id } = peerIdentity(socket, TRUST_DOMAIN);
      socket.end(id === PROXY_ID ? 'accepted' : `taken for ${id}`);
    } catch (error) {
      socket.end(error instanceof BackhaulError ? error.code : String(error));
    }
  }
}

/** What the listener said, or `handshake` when there was no connection to say it on. */
async function meet(port: number, shown: Case['shown']): Promise<Outcome> {
  const mine = shown === undefined ? {} : { cert: shown.cert, key: pem(shown.key) };
  let socket: TLSSocket;
  try {
    socket = connect({
      host: '127.0.0.1',
      port,
      ca: root.cert,
      checkServerIdentity: () => undefined,
      ciphers: 'DEFAULT:@SECLEVEL=0',
      ...mine,
    });
  } catch {
    return 'handshake';
  }
  let said = '';
  socket.setEncoding('utf8').on('data', (text: string) => (said += text));
  socket.on('error', () => {});
  await new Promise((resolve) => socket.once('close', resolve));
  return said === '' ? 'handshake' : said;
}

describe('peer identity', () => {
  const listener = new Listener();
  const lenient = new Listener({ rejectUnauthorized: false });
  lenient.onSocket = (socket) => String(socket.authorizationError);
  const cases = clientCases();
  let port: number;
  let lenientPort: number;

  before(async () => {
    port = await listener.start();
    lenientPort = await lenient.start();
  });
  after(() => Promise.all([listener.stop(), lenient.stop()]));

  it('T-A14: the matrix holds at least 45 kinds of bad certificates and its good ones', () => {
    expect(cases.filter(({ expected }) => expected !== 'accepted')).to.have.length.of.at.least(45);
    expect(cases.filter(({ expected }) => expected === 'accepted')).to.have.length(2);
  });

  for (const { name, shown, expected } of cases) {
    it(`T-A14: ${name}: ${expected}`, async () => {
      const [outcome, reason] = expected.split(' ');
      expect(await meet(port, shown)).to.equal(outcome);
      if (reason !== undefined) expect(await meet(lenientPort, shown)).to.equal(reason);
    });
  }

  it('T-A14: a certificate is for the side it was made for', () => {
    const { raw } = new X509Certificate(below(named(uri(GOOD_URI))).cert);
    expect(certificateIdentity(raw, TRUST_DOMAIN, 'client').id).to.equal(PROXY_ID);
    expect(() => certificateIdentity(raw, TRUST_DOMAIN, 'server')).to.throw('BH-E-ID-CERTIFICATE');
  });

  it('T-A15: the dates count on a connection that is open, too', async () => {
    listener.onSocket = (socket) => {
      expect(peerIdentity(socket, TRUST_DOMAIN).id).to.equal(PROXY_ID);
      expect(() => peerIdentity(socket, TRUST_DOMAIN, Date.now() + 2 * DAY)).to.throw('BH-E-ID-EXPIRED');
      expect(() => peerIdentity(socket, 'other.example')).to.throw('BH-E-ID-NAME');
      return 'checked';
    };
    expect(await meet(port, below(named(uri(GOOD_URI))))).to.equal('checked');
    listener.onSocket = undefined;
  });

  for (const version of ['TLSv1.2', 'TLSv1.3'] as const) {
    it(`T-A15: ${version}: a session is never resumed`, async () => {
      const shown = below(named(uri(GOOD_URI)));
      const first = await sessionOf(port, shown, version);
      expect(first.reused).to.equal(false);
      const second = await sessionOf(port, shown, version, first.session);
      expect(second.reused).to.equal(false);
      expect(second.said).to.equal('accepted');
    });
  }

  describe('of a parent', () => {
    const material = { key: pem(leafKey), cert: below(named(uri(GOOD_URI))).cert, ca: root.cert };
    const served = (party: Party) => ({ key: pem(party.key), cert: party.cert + issuing.cert, ca: root.cert });
    const expected = identityOf(MLM_ID, TRUST_DOMAIN);
    const server = (extensions: object[]) => served(leaf(extensions));
    const both = ['clientAuth', 'serverAuth'];

    const parents: [string, ReturnType<typeof served>, RegExp | undefined][] = [
      [
        'the expected one, whatever address was dialled',
        server(leafExtensions([uri(mlmUri), dns('elsewhere.example')], both)),
        undefined,
      ],
      [
        'another MLM of the same customer',
        server(leafExtensions([uri(mlmUri.replaceAll('.m1', '.m2'))], both)),
        /BH-E-ID-PARENT/,
      ],
      [
        'the right address in the names, no identity',
        server(leafExtensions([ip('127.0.0.1'), dns('localhost')], both)),
        /BH-E-ID-PARENT/,
      ],
      ['two identities', server(leafExtensions([uri(mlmUri), uri(GOOD_URI)], both)), /BH-E-ID-PARENT/],
      ['a client certificate', server(leafExtensions([uri(mlmUri)], ['clientAuth'])), /./],
      [
        'no extended key usage',
        server([constraints(false), keyUsage('digitalSignature'), sans(uri(mlmUri))]),
        /BH-E-ID-PARENT/,
      ],
      [
        'an authority',
        server([constraints(true), keyUsage('digitalSignature', 'keyCertSign'), eku(...both), sans(uri(mlmUri))]),
        /BH-E-ID-PARENT/,
      ],
    ];
    for (const [name, shown, refusal] of parents) {
      it(`T-A14: ${name}: ${refusal === undefined ? 'accepted' : 'refused'}`, async () => {
        const error = await dial(shown, clientTlsOptions(material, expected));
        if (refusal === undefined) expect(error).to.equal(undefined);
        else expect(`${(error as { code?: string })?.code} ${error?.message}`).to.match(refusal);
      });
    }
  });
});

/** One connection: whether it was resumed, and a session to try the next one with. */
async function sessionOf(
  port: number,
  shown: { cert: string; key: Party['key'] },
  version: 'TLSv1.2' | 'TLSv1.3',
  session?: Buffer,
) {
  const pinned = { minVersion: version, maxVersion: version, checkServerIdentity: () => undefined };
  const offered = session === undefined ? {} : { session };
  const socket = connect({
    host: '127.0.0.1',
    port,
    ca: root.cert,
    cert: shown.cert,
    key: pem(shown.key),
    ...pinned,
    ...offered,
  });
  let latest: Buffer | undefined;
  let said = '';
  socket.on('session', (got: Buffer) => (latest = got));
  socket.setEncoding('utf8').on('data', (text: string) => (said += text));
  await once(socket, 'secureConnect');
  const reused = socket.isSessionReused();
  latest ??= socket.getSession();
  await once(socket, 'close');
  return { reused, said, session: latest };
}

/** Connects with our options to a server that shows this certificate; the error, if any. */
async function dial(shown: { key: string; cert: string; ca: string }, options: object): Promise<Error | undefined> {
  const server = createServer(serverTlsOptions(shown), (socket) => socket.on('error', () => {}).end());
  server.on('tlsClientError', () => {}).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const socket = connect({ host: '127.0.0.1', port: (server.address() as AddressInfo).port, ...options });
  const outcome = await new Promise<Error | undefined>((resolve) => {
    socket.once('error', resolve);
    socket.once('secureConnect', () => resolve(undefined));
  });
  socket.on('error', () => {}).destroy();
  await new Promise((resolve) => server.close(resolve));
  return outcome;
}
