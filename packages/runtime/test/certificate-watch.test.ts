import { X509Certificate } from 'node:crypto';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Logger, silentLogger, warnOfCertificateEnd } from '@backhaul/runtime';
import { expect } from 'chai';

const PEM = `-----BEGIN CERTIFICATE-----
MIIBczCCARmgAwIBAgIUYkm+FkpmFZBq020X+Sulbn908j4wCgYIKoZIzj0EAwIw
DzENMAsGA1UEAwwEdGVzdDAeFw0yNjExMjEwNTMxNDVaFw0yNzAyMTkwNTMxNDVa
MA8xDTALBgNVBAMMBHRlc3QwWTATBgcqhkjOPQIBBggqhkjOPQMBBwNCAARcU4TY
Onaz9arW+ly70Qd8PV2FN59DMSmhRlljEQOfAF7Izg4P6CpJCCpMs7dRqxPWr/NR
wGY1FbXZ4HkU3nqDo1MwUTAdBgNVHQ4EFgQU1OXDqBxtciOc0aEi4Mh+5FUZNsAw
HwYDVR0jBBgwFoAU1OXDqBxtciOc0aEi4Mh+5FUZNsAwDwYDVR0TAQH/BAUwAwEB
/zAKBggqhkjOPQQDAgNIADBFAiBtRBtRyIYb2wqHtYVWkwx68X3eOCM/IYW3qSuE
hI1MEQIhAJDcdUWvQKMivuZSOPu/cP4YecnNAQUfpwnev6be4Zcx
-----END CERTIFICATE-----
`;
const DAY_MS = 86_400_000;
const END = Date.parse(new X509Certificate(PEM).validTo);

describe('a certificate near its end', () => {
  it('is told in the log, before and after', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'backhaul-certificate-'));
    const said: string[] = [];
    const note = (level: string) => (_fields: object, message: string) => said.push(`${level} ${message}`);
    const logger = { ...silentLogger, warn: note('warn'), error: note('error') } as unknown as Logger;
    await warnOfCertificateEnd(folder, END, logger);
    mkdirSync(join(folder, 'identity'));
    writeFileSync(join(folder, 'identity', 'certificate.pem'), PEM);
    for (const days of [-30, -10, 1]) await warnOfCertificateEnd(folder, END + days * DAY_MS, logger);
    expect(said).to.deep.equal([
      'warn the certificate of this component ends soon: enrol it again',
      'error the certificate of this component is past its time: enrol it again',
    ]);
    rmSync(folder, { recursive: true });
  });
});
