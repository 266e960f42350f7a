import {
  type Content,
  describeClass,
  type Header,
  jsonData,
  type Message,
  type RawMessage,
  readHeader,
  writeContent,
  writeHeader,
} from '@backhaul/envelope';
import { newId, systemClock, systemRandom } from '@backhaul/runtime';
import { GROUP, PARENT } from './names.ts';

/** With a header of about 500 bytes it is a message of about 1 KB. */
export const PAYLOAD = 'x'.repeat(420);
const HOUR_MS = 3_600_000;
const DOWN_EPOCH = 'd0'.repeat(8);
const UP_EPOCH = 'e0'.repeat(8);

/** Messages to the group, as the application server makes them. */
export function groupMessages(count: number, firstSequence: number): Message[] {
  const destination = { kind: 'group', name: GROUP } as const;
  return Array.from({ length: count }, (_, at) =>
    message({ source: PARENT, epoch: DOWN_EPOCH, sequence: firstSequence + at, locator: 'destination', destination }),
  );
}

/** An offer of an artifact to the group. */
export function offerMessage(sha256: string, size: number, sequence: number): Message {
  const content: Content = {
    ...{ type: 'bulkDataRequest', sha256, size, class: 'software', subclass: 'offer' },
    ...{ name: 'bench', artifactVersion: '1', location: `/v1/artifacts/${sha256}` },
  };
  const destination = { kind: 'group', name: GROUP } as const;
  const name = { class: 'software', subclass: 'offer' };
  const place = { source: PARENT, epoch: DOWN_EPOCH, sequence, locator: 'destination' as const, destination };
  return message({ ...place, ...name }, content);
}

/** One upward message of a proxy; 500 bytes of it are its own. */
export function upwardMessage(source: string, sequence: number): RawMessage {
  const { header, headerBytes, body } = message({ source, epoch: UP_EPOCH, sequence, locator: 'source' });
  return { id: header.id, headerBytes, body };
}

type Given = Pick<Header, 'source' | 'epoch' | 'sequence' | 'locator' | 'destination'> &
  Partial<Pick<Header, 'class' | 'subclass'>>;

function message(given: Given, content: Content = jsonData({ number: given.sequence, payload: PAYLOAD })): Message {
  const { class: kind = 'x-load', subclass = 'message' } = given;
  const { classification, lane, contentType } = describeClass(kind, subclass, content);
  const madeAt = systemClock.now();
  const header: Header = {
    ...{ id: newId(systemClock, systemRandom), version: '1.0', sourceVersion: '0.1.0', routing: [], ...given },
    ...{ class: kind, subclass, classification, lane, contentType, madeAt },
    qos: { precedence: lane, expiresAt: madeAt + HOUR_MS, timeToLive: HOUR_MS, persistent: true },
  };
  const headerBytes = writeHeader(header);
  return { header: readHeader(headerBytes), headerBytes, body: writeContent(content) };
}
