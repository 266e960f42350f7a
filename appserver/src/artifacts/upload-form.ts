import type { IncomingMessage } from 'node:http';
import type { Readable } from 'node:stream';
import { BackhaulError } from '@backhaul/runtime';
import busboy from 'busboy';

/** Text fields of the form; each once. */
const FIELDS = ['manifest', 'signature', 'publicKey'] as const;
const FIELD_BYTES = 64 * 1024;

export type ReceivedForm = Readonly<Record<(typeof FIELDS)[number], string>>;

/**
 * Reads a multipart/form-data request with one file and the fields of a signed manifest, in any order.
 * @throws BH-E-MIME-TYPE, BH-E-SCHEMA for a missing, unknown or repeated part, BH-E-LIMIT-REQUEST, BH-E-MIME-TRUNCATED
 */
export async function readForm(
  incoming: IncomingMessage,
  maxBytes: number,
  takeFile: (file: Readable) => Promise<void>,
): Promise<ReceivedForm> {
  const fields = new Map<string, string>();
  const files: Promise<void>[] = [];
  const parser = openParser(incoming, maxBytes);
  const { promise: ended, resolve, reject } = Promise.withResolvers<void>();
  const refuse = (error: BackhaulError) => {
    reject(error);
    incoming.unpipe(parser);
    parser.destroy(error); // ends the file stream with it
    incoming.resume();
  };
  parser.on('field', (name, value, info) => {
    if (!FIELDS.some((known) => known === name) || fields.has(name))
      refuse(new BackhaulError('BH-E-SCHEMA', { detail: `field ${name.slice(0, 64)}` }));
    else if (info.valueTruncated) refuse(new BackhaulError('BH-E-LIMIT-REQUEST', { detail: `field ${name}` }));
    else fields.set(name, value);
  });
  parser.on('file', (name, file) => {
    file.on('limit', () =>
      refuse(new BackhaulError('BH-E-LIMIT-REQUEST', { detail: `the file is larger than ${maxBytes} bytes` })),
    );
    if (files.length > 0) return void file.resume();
    if (name !== 'file') {
      file.resume();
      return refuse(new BackhaulError('BH-E-SCHEMA', { detail: `the file's field is file, not ${name.slice(0, 64)}` }));
    }
    files.push(takeFile(file));
    files[0]!.catch(refuse);
  });
  parser.on('filesLimit', () => refuse(new BackhaulError('BH-E-SCHEMA', { detail: 'more than one file' })));
  parser.on('error', (cause) => refuse(new BackhaulError('BH-E-MIME-TRUNCATED', { cause })));
  parser.on('close', resolve);
  incoming.on('aborted', () => refuse(new BackhaulError('BH-E-MIME-TRUNCATED')));
  incoming.pipe(parser);
  try {
    await ended;
    await Promise.all(files);
  } catch (error) {
    await Promise.allSettled(files);
    throw error;
  }
  return complete(fields, files.length);
}

function openParser(incoming: IncomingMessage, maxBytes: number): busboy.Busboy {
  try {
    const limits = {
      files: 1,
      fileSize: maxBytes,
      fields: FIELDS.length + 1,
      fieldSize: FIELD_BYTES,
      fieldNameSize: 64,
      parts: FIELDS.length + 2,
      headerPairs: 16,
    };
    return busboy({ headers: incoming.headers, limits });
  } catch (cause) {
    throw new BackhaulError('BH-E-MIME-TYPE', { detail: 'multipart/form-data is expected', cause });
  }
}

function complete(fields: ReadonlyMap<string, string>, files: number): ReceivedForm {
  const missing = [...(files === 0 ? ['file'] : []), ...FIELDS.filter((name) => !fields.has(name))];
  if (missing.length > 0) throw new BackhaulError('BH-E-SCHEMA', { detail: `missing: ${missing.join(', ')}` });
  return {
    manifest: fields.get('manifest')!,
    signature: fields.get('signature')!,
    publicKey: fields.get('publicKey')!,
  };
}
