/** An operator's own authority: a root that whoever connects has to trust, and below it the one that issues to hosts. */
import { generate } from 'selfsigned';

export interface Certificate {
  key: string;
  /** The host's and the intermediate's, as a server shows them. */
  chain: string;
}

export interface Authority {
  /** PEM. */
  readonly root: string;
  issue(wanted: { names?: readonly string[]; addresses?: readonly string[]; days?: Days }): Promise<Certificate>;
}

/** From and until, in days from now. */
type Days = readonly [from: number, until: number];

const DAY_MS = 86_400_000;
const VALID: Days = [-1, 30];
const KIND = { keyType: 'ec', algorithm: 'sha256' } as const;

export async function makeAuthority(): Promise<Authority> {
  const root = await generate([{ name: 'commonName', value: 'Operator Root' }], { ...KIND, ...authorityFor(VALID) });
  const issuer = await generate([{ name: 'commonName', value: 'Operator Issuer' }], {
    ...KIND,
    ...authorityFor(VALID),
    ca: { key: root.private, cert: root.cert },
  });
  return {
    root: root.cert,
    issue: async ({ names = [], addresses = [], days = VALID }) => {
      const altNames = [
        ...names.map((value) => ({ type: 2 as const, value })),
        ...addresses.map((ip) => ({ type: 7 as const, ip })),
      ];
      const made = await generate([{ name: 'commonName', value: 'SMSC' }], {
        ...KIND,
        ...between(days),
        extensions: [{ name: 'subjectAltName', altNames }],
        ca: { key: issuer.private, cert: issuer.cert },
      });
      return { key: made.private, chain: `${made.cert.trim()}\n${issuer.cert}` };
    },
  };
}

function authorityFor(days: Days) {
  return {
    ...between(days),
    extensions: [
      { name: 'basicConstraints' as const, cA: true, critical: true },
      { name: 'keyUsage' as const, keyCertSign: true, critical: true },
    ],
  };
}

function between([from, until]: Days): { notBeforeDate: Date; notAfterDate: Date } {
  const nowMs = Date.now();
  return { notBeforeDate: new Date(nowMs + from * DAY_MS), notAfterDate: new Date(nowMs + until * DAY_MS) };
}
