import { X509Certificate } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Logger } from './logging.ts';

const DAY_MS = 86_400_000;
const WARN_BEFORE_END_MS = 14 * DAY_MS;

/** Says in the log that the certificate of this component ends soon, or has ended. One that is not there says nothing. */
export async function warnOfCertificateEnd(dataDirectory: string, now: number, logger: Logger): Promise<void> {
  const pem = await readFile(join(dataDirectory, 'identity', 'certificate.pem')).catch(() => undefined);
  if (pem === undefined) return;
  const endsAt = Date.parse(new X509Certificate(pem).validTo);
  const fields = { endsAt: new Date(endsAt).toISOString(), daysLeft: Math.floor((endsAt - now) / DAY_MS) };
  if (endsAt <= now) logger.error(fields, 'the certificate of this component is past its time: enrol it again');
  else if (endsAt - now < WARN_BEFORE_END_MS)
    logger.warn(fields, 'the certificate of this component ends soon: enrol it again');
}
