import { BackhaulError, type Random } from '@backhaul/runtime';

/** 48 hex digits from 24 random bytes: nobody can foresee it, so no body can be made to contain it [T-A5]. */
export function newBoundary(random: Random): string {
  return random.bytes(24).toString('hex');
}

/** The Content-Type of requests and replies. */
export function contentTypeOf(boundary: string): string {
  return `multipart/related; type="application/xml"; boundary=${boundary}`;
}

const MAX_CONTENT_TYPE = 512;
const BOUNDARY = /^[0-9A-Za-z'()+_,./:=? -]{0,69}[0-9A-Za-z'()+_,./:=?-]$/;
const PARAMETER = /[ \t]{0,8};[ \t]{0,8}([A-Za-z0-9!#$&^_.+-]{1,64})=(?:"([^"\\\r\n]{0,128})"|([^\s";,]{1,128}))/y;

/**
 * The boundary parameter of a Content-Type.
 * Throws BH-E-MIME-TYPE when it is not multipart/related of application/xml, BH-E-MIME-BOUNDARY.
 */
export function boundaryOf(contentType: string | undefined): string {
  if (contentType === undefined || contentType.length > MAX_CONTENT_TYPE) throw new BackhaulError('BH-E-MIME-TYPE');
  const mediaType = 'multipart/related';
  if (contentType.slice(0, mediaType.length).toLowerCase() !== mediaType) throw new BackhaulError('BH-E-MIME-TYPE');
  const parameters = readParameters(contentType, mediaType.length);
  const type = parameters.get('type');
  if (type !== undefined && type.toLowerCase() !== 'application/xml')
    throw new BackhaulError('BH-E-MIME-TYPE', { detail: 'type is not application/xml' });
  return checkBoundary(parameters.get('boundary'));
}

function readParameters(text: string, at: number): Map<string, string> {
  const found = new Map<string, string>();
  PARAMETER.lastIndex = at;
  for (let end = at; end < text.length; end = PARAMETER.lastIndex) {
    const match = PARAMETER.exec(text);
    if (match === null) throw new BackhaulError('BH-E-MIME-TYPE', { detail: 'a parameter is malformed' });
    const name = (match[1] as string).toLowerCase();
    if (found.has(name)) throw new BackhaulError('BH-E-MIME-BOUNDARY', { detail: `${name} stands twice` });
    found.set(name, match[2] ?? (match[3] as string));
  }
  return found;
}

/** Throws BH-E-MIME-BOUNDARY. */
export function checkBoundary(boundary: string | undefined): string {
  if (boundary === undefined || !BOUNDARY.test(boundary)) throw new BackhaulError('BH-E-MIME-BOUNDARY');
  return boundary;
}
