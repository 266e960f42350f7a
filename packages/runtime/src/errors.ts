/**
 * Every refusal of Backhaul has one shape and one code. Senders look at `retryable`, never at text.
 * The table is the single source for codes, HTTP statuses and the sentences shown to people;
 * docs/errors.md is compared with it by a test.
 */
interface ErrorRow {
  /** HTTP status when the refusal is for a whole request. A refusal of one message travels as a verdict inside a 200. */
  readonly status: number;
  readonly retryable: boolean;
  /** What happened and what to do, for a person. */
  readonly sentence: string;
}

const row = (status: number, retryable: boolean, sentence: string): ErrorRow => ({ status, retryable, sentence });

// biome-ignore format: a table reads as a table
export const ERRORS = {
  // Envelope: framing, XML, limits
  'BH-E-MIME-TYPE': row(415, false, 'The request is not multipart/related with a boundary. Send the Content-Type that docs/wire.md shows.'),
  'BH-E-MIME-BOUNDARY': row(400, false, 'The boundary parameter is missing, repeated, too long or not allowed. Use 1 to 70 characters of RFC 2046.'),
  'BH-E-MIME-FORM': row(400, false, 'The framing is wrong. Lines end in CRLF, boundaries stand where they belong and nothing stands around them.'),
  'BH-E-MIME-TRUNCATED': row(400, true, 'The body ended before its closing boundary. Send the envelope again.'),
  'BH-E-MIME-HEADER': row(400, false, 'A part header is malformed, folded, repeated or too long. Each part needs one Content-ID and one Content-Type.'),
  'BH-E-MIME-PART': row(400, false, 'The parts do not pair up: every message is a header part followed by its body part with the same ID.'),
  'BH-E-XML-DTD': row(400, false, 'A DOCTYPE or ENTITY declaration is never read. Remove it.'),
  'BH-E-XML-ENCODING': row(400, false, 'Only UTF-8 is read. Re-encode the document.'),
  'BH-E-XML-FORM': row(400, false, 'The XML is not well formed. Check it with xmllint --noout.'),
  'BH-E-XML-ELEMENT': row(400, false, 'An element or attribute is unknown or missing here. Compare with the DTDs of docs/wire.md.'),
  'BH-E-XML-VALUE': row(400, false, 'An attribute has a value that its type does not allow. Compare with docs/wire.md.'),
  'BH-E-CHAR': row(400, false, 'The text holds a character that XML cannot carry. Encode binary content as base64.'),
  'BH-E-NAME': row(400, false, 'A name is not allowed here. Names match the pattern shown in the documentation of the field.'),
  'BH-E-VERSION': row(400, false, 'This version of the wire is not spoken here. Update the older side; the last two minor versions work.'),
  'BH-E-LIMIT-MESSAGES': row(413, false, 'More messages than one envelope may hold (256). Send several envelopes.'),
  'BH-E-LIMIT-HEADER': row(413, false, 'A header part is larger than 16 KiB. Shorten its values; what is long belongs into the body.'),
  'BH-E-LIMIT-BODY': row(413, false, 'A body is larger than 1 MiB. Send it as bulk data.'),
  'BH-E-LIMIT-ENVELOPE': row(413, false, 'The envelope is larger than the receiver takes. Send fewer messages in one.'),
  'BH-E-LIMIT-DEPTH': row(400, false, 'Elements are nested deeper than 32. Make the content flatter, or send it as bulk data.'),
  'BH-E-LIMIT-ATTRIBUTES': row(400, false, 'An element has more than 64 attributes. Compare with the DTDs of docs/wire.md.'),
  'BH-E-LIMIT-NAME': row(400, false, 'An element or attribute name is longer than 256 bytes. Compare with the DTDs of docs/wire.md.'),
  'BH-E-LIMIT-INFLATE': row(413, false, 'The compressed body unpacks to more than the limit. Send fewer messages in one envelope.'),
  'BH-E-LIMIT-REQUEST': row(413, false, 'The request body is larger than this route takes. Send it in smaller pieces.'),
  'BH-E-SCHEMA': row(400, false, 'The content does not have the shape that its class prescribes. The detail names the field.'),
  'BH-E-CLASS': row(400, false, 'No schema is known for this class and subclass. Use one of docs/wire.md.'),

  // Routing and delivery
  'BH-E-SPOOF': row(403, false, 'The source is not below the sender. A component may only forward what comes from its own subtree.'),
  'BH-E-LOOP': row(409, false, 'The message has passed here before. Check the parents in the configuration for a circle.'),
  'BH-E-EXPIRED': row(410, false, 'The message was past its expiry when it arrived. Send it again with more time if it still matters.'),
  'BH-E-SPOOL-FULL': row(503, true, 'There is no room: the spool is full and the message ranks lowest, or disk space is short. Wait as told; free disk space, or look at what the spool holds with `backhaul status`.'),
  'BH-E-SPOOL-STOPPED': row(503, true, 'The store met a write error and is being reopened and verified. Free disk space; accepted messages are kept.'),
  'BH-E-SPOOL-GAP': row(500, false, 'The store was opened with records missing. What is missing is listed; restore a backup if it matters.'),
  'BH-E-SPOOL-DAMAGED': row(500, false, 'A record of the store fails its checksum. It is set aside and reported. Check the disk; restore a backup if what is listed matters.'),
  'BH-E-SPOOL-LOCKED': row(500, false, 'Another process holds this data folder. Stop it first, or give this one its own folder.'),
  'BH-E-QUOTA': row(503, true, 'This sender holds its whole share of the spool, and what it sends now ranks no higher. Wait as told; look at what keeps its messages here with `backhaul status`.'),
  'BH-E-SEEN-BOUND': row(503, true, 'Too many gaps are open for this source, or it has begun too many epochs and this one is closed. Send the lowest missing sequence first; see why its store begins anew so often.'),
  'BH-E-THROTTLE': row(429, true, 'The throttle of this hop is reached. Wait as told.'),
  'BH-E-LINK-ORDER': row(409, true, 'An earlier envelope of this link has not arrived. Send it again, lowest number first.'),
  'BH-E-ACK': row(409, false, 'The acknowledgement is for another mailbox epoch or for a message never sent. See that only one process has this identity.'),
  'BH-E-EPOCH': row(409, true, 'Another epoch of this source has taken over; this one is fenced. It says hello anew, begins a new epoch and sends again, by itself.'),
  'BH-E-CLONE': row(409, true, 'Two live components speak with this identity: their epochs take over from one another. Find and stop the copy: the other is taken again after ten minutes without it. Or revoke, and enrol anew.'),
  'BH-E-DRAINING': row(503, true, 'This component is shutting down. Send again shortly.'),
  'BH-E-BUSY': row(503, true, 'Too many requests are being handled for this sender. Send again shortly.'),
  'BH-E-PARENT-UNREACHABLE': row(502, true, 'The parent does not answer. What is accepted stays in the spool; check the line, the address and the outbound proxy.'),
  'BH-E-PARENT-SILENT': row(504, true, 'The parent takes connections and says nothing, not even when asked whether it is there. Another parent is used where there is one; look at why it hangs.'),
  'BH-E-TARGET': row(400, false, 'The destination matches no component. An unknown or empty group reaches nobody; list them with `backhaul components`.'),
  'BH-E-REVOKED': row(410, false, 'The message was taken back before this member had it. Nothing is to be done; send a new one if it was not meant.'),
  'BH-E-COMMAND-UNKNOWN': row(400, false, 'This component does not know the command. `backhaul send --help` lists the commands.'),
  'BH-E-MODULE': row(500, true, 'A service module failed on this message. The detail names the module, the log says why.'),

  // Identity
  'BH-E-ID-MISSING': row(401, false, 'No client certificate was given. Enrol the component first (`backhaul sites package`).'),
  'BH-E-ID-NAME': row(403, false, 'The certificate does not carry exactly one identity URI of this trust domain. Enrol the component here (`backhaul sites package`).'),
  'BH-E-ID-UNKNOWN': row(403, false, 'The component is not registered below this one. Compare `parents` in its configuration with `backhaul components`.'),
  'BH-E-ID-REVOKED': row(403, false, 'The certificate of this component has been revoked. If that was not meant, enrol it anew with a new site package.'),
  'BH-E-ID-CERTIFICATE': row(403, false, 'The certificate is not one for this use: it is an authority\'s, or not for a client (or server). Enrol again.'),
  'BH-E-ID-EXPIRED': row(403, false, 'The certificate is past its time. Enrol the component again; compare the clocks first.'),
  'BH-E-ID-KIND': row(403, false, 'A component of this kind may not do this here. Check `parents`, and which certificate it uses.'),
  'BH-E-ID-PARENT': row(502, true, 'The parent presented another identity than the one configured. Check `parents` and the trust roots.'),
  'BH-E-ENROL-TOKEN': row(403, false, 'The enrolment token is unknown, used or past its time. Ask for a new site package.'),
  'BH-E-ENROL-PROOF': row(403, false, 'The token does not belong to the key in the request. Enrol with the token of this component.'),
  'BH-E-ENROL-REQUEST': row(400, false, 'The certificate request is malformed or asks for more than the token grants. Enrol as the site package says.'),
  'BH-E-ENROL-ROOTS': row(502, false, 'The certificate authority is not the one pinned in the site package. Check the address; do not work around it.'),

  // Bulk and software
  'BH-E-BULK-REFUSED': row(409, true, 'The transfer was not authorised now. The detail says who refused and why.'),
  'BH-E-BULK-GONE': row(404, false, 'The artifact is not published here. Push it again if it is still wanted.'),
  'BH-E-BULK-HASH': row(422, false, 'The bytes are not the ones announced (SHA-256 or length differ). They were discarded. Publish or push again; if it comes back, treat it as an attack.'),
  'BH-E-BULK-RANGE': row(416, false, 'The range asked for lies outside the artifact. Fetch it from its start.'),
  'BH-E-BULK-SPACE': row(507, true, 'There is not enough free disk space for the artifact. Free some; it is asked for again.'),
  'BH-E-SIGNATURE': row(422, false, 'The signature does not match the artifact manifest. Sign exactly the manifest that is sent, with the key that is named.'),
  'BH-E-POLICY-KEY': row(403, false, 'The release key is not allowed by the policy of this site. The customer decides, in `policy.json`.'),
  'BH-E-POLICY-DENY': row(403, false, 'The policy of this site does not allow this software. The customer decides, in `policy.json`.'),
  'BH-E-POLICY-DOWNGRADE': row(403, false, 'The version is lower than the one installed. Push a newer one, or have the policy allow it (`allowDowngrade`).'),
  'BH-E-ARCHIVE': row(422, false, 'The archive holds something that is never unpacked (a link, a device, a path outside, too many files). Pack it anew from regular files and folders.'),
  'BH-E-INSTALL': row(500, true, 'The installer failed. The detail says at which step; what was installed before is untouched. Push again when the cause is gone.'),

  // APIs and operations
  'BH-E-AUTH': row(401, false, 'Log in first: a bearer token for the API, the first-login secret for the portal.'),
  'BH-E-FORBIDDEN': row(403, false, 'You may not do this. Ask whoever administers this server.'),
  'BH-E-CSRF': row(403, false, 'The form was not sent from this portal. Reload the page and try again.'),
  'BH-E-RATE': row(429, true, 'Too many attempts. Wait as told.'),
  'BH-E-NOT-FOUND': row(404, false, 'There is nothing here under this name. Check the spelling; the lists of the same kind show what there is.'),
  'BH-E-METHOD': row(405, false, 'This method is not offered here. The `Allow` header or the documentation says which are.'),
  'BH-E-CONFLICT': row(409, false, 'This exists already, with other content. Take another name, or look at what is there.'),
  'BH-E-QUERY': row(400, false, 'A parameter is unknown or has a value that is not allowed. The detail names it.'),
  'BH-E-JSON': row(400, false, 'The body is not the JSON expected here. The detail says where; compare with the documentation of the route.'),
  'BH-E-CONFIG': row(400, false, 'The configuration is not valid. The detail names the key.'),
  'BH-E-PORT': row(500, false, 'The port is in use. Choose another in the configuration, or 0 for any free one.'),
  'BH-E-USAGE': row(400, false, 'The command line is not understood. See --help.'),
  'BH-E-UNREACHABLE': row(502, true, 'The server does not answer. Is it running, and is the address right?'),
  'BH-E-NOTIFY': row(502, true, 'The receiver of a notification did not take it now. It is tried again; `backhaul notifications` shows how it stands.'),
  'BH-E-NOTIFY-REFUSED': row(502, false, 'The receiver of a notification will never take it. Correct the sender in the configuration; the notification stays listed.'),
  'BH-E-STORE-SCHEMA': row(500, false, 'The store was written by a newer version of this program. Install that version, or restore a backup made before.'),
  'BH-E-FILE': row(500, false, 'A file or folder cannot be used. The detail names it: whose is it, and is there room on its disk?'),
  'BH-E-INTERNAL': row(500, true, 'Something failed that should not. The log has the details under the request id.'),
} as const satisfies Record<string, ErrorRow>;

export type ErrorCode = keyof typeof ERRORS;

export interface ErrorOptions {
  /** What exactly: the field, the value (never a secret), the limit. Shown to people after the sentence. */
  readonly detail?: string;
  /** Milliseconds the sender should wait before trying again. */
  readonly retryAfterMs?: number;
  readonly cause?: unknown;
}

export class BackhaulError extends Error {
  readonly code: ErrorCode;
  readonly detail: string | undefined;
  readonly retryAfterMs: number | undefined;

  constructor(code: ErrorCode, options: ErrorOptions = {}) {
    super(`${code}: ${ERRORS[code].sentence}${options.detail ? ` (${options.detail})` : ''}`, { cause: options.cause });
    this.name = 'BackhaulError';
    this.code = code;
    this.detail = options.detail;
    this.retryAfterMs = options.retryAfterMs;
  }

  get status(): number {
    return ERRORS[this.code].status;
  }

  get retryable(): boolean {
    return ERRORS[this.code].retryable;
  }

  get sentence(): string {
    return ERRORS[this.code].sentence;
  }

  /** RFC 9457 problem details; what every JSON surface answers with. Never a stack trace. */
  toProblem(): {
    type: string;
    title: string;
    status: number;
    code: ErrorCode;
    detail?: string;
    retryAfterMs?: number;
  } {
    return {
      type: `urn:backhaul:error:${this.code}`,
      title: this.sentence,
      status: this.status,
      code: this.code,
      ...(this.detail === undefined ? {} : { detail: this.detail }),
      ...(this.retryAfterMs === undefined ? {} : { retryAfterMs: this.retryAfterMs }),
    };
  }
}

export function isErrorCode(value: string): value is ErrorCode {
  return Object.hasOwn(ERRORS, value);
}

/** Anything thrown, as a coded error; the unknown becomes BH-E-INTERNAL with its cause kept for the log. */
export function toBackhaulError(thrown: unknown): BackhaulError {
  return thrown instanceof BackhaulError ? thrown : new BackhaulError('BH-E-INTERNAL', { cause: thrown });
}
