/**
 * Digest authentication from the server's side (RFC 3261 §22, RFC 7616), with SHA-256 and MD5. Nothing is remembered
 * between challenge and answer: a nonce is the signed time it was made at, and may be reused during its short life.
 */
import { createHmac, randomBytes, timingSafeEqual } from 'node:crypto';
import { authorizationValue, type DigestAlgorithm } from '../sip/digest.ts';
import { type Parameters, parseParameters } from '../sip/header-values.ts';
import { headerLinesOf, type SipHeader, type SipRequest } from '../sip/message.ts';

const NONCE_LIFE_MS = 60_000;
/** The better one first (RFC 8760 §2.3). */
const ALGORITHMS: readonly DigestAlgorithm[] = ['SHA-256', 'MD5'];

export class CalleeChallenge {
  readonly #options: { realm: string; username: string; password: string };
  readonly #key = randomBytes(32);

  constructor(options: { realm: string; username: string; password: string }) {
    this.#options = options;
  }

  /**
   * Undefined lets it in; otherwise the headers of a 401.
   * @param nowMs of `performance.now()`
   */
  judge(request: SipRequest, nowMs: number): SipHeader[] | undefined {
    let stale = false;
    for (const line of headerLinesOf(request, 'Authorization')) {
      const given = parseParameters(/^digest\s+(.+)$/is.exec(line)?.[1] ?? '', ',');
      if (!this.#knowsPassword(request.method, given)) continue;
      if (this.#isFresh(given.get('nonce') ?? '', nowMs)) return undefined;
      stale = true;
    }
    const { realm } = this.#options;
    const fields = `realm="${realm}", nonce="${this.#nonce(Math.floor(nowMs))}"${stale ? ', stale=true' : ''}`;
    return ALGORITHMS.map((algorithm) => ({
      name: 'WWW-Authenticate',
      value: `Digest ${fields}, algorithm=${algorithm}, qop="auth"`,
    }));
  }

  #knowsPassword(method: string, given: Parameters): boolean {
    const { realm, username, password } = this.#options;
    const algorithm = ALGORITHMS.find((name) => name === (given.get('algorithm') ?? 'MD5').toUpperCase());
    if (algorithm === undefined || given.get('username') !== username || given.get('realm') !== realm) return false;
    const right = authorizationValue({
      challenge: {
        by: 'server',
        realm,
        nonce: given.get('nonce') ?? '',
        opaque: undefined,
        algorithm,
        algorithmName: algorithm,
        // Without it is the old form (RFC 3261 §22.4), which has to be taken still.
        qop: given.get('qop') === undefined ? undefined : 'auth',
        stale: false,
      },
      username,
      password,
      method,
      uri: given.get('uri') ?? '',
      nonceCount: Number.parseInt(given.get('nc') ?? '1', 16),
      cnonce: given.get('cnonce') ?? '',
    });
    const expected = parseParameters(right.slice('Digest '.length), ',').get('response') ?? '';
    return isEqual(expected, given.get('response')?.toLowerCase() ?? '');
  }

  #nonce(atMs: number): string {
    const signature = createHmac('sha256', this.#key).update(String(atMs)).digest('hex').slice(0, 32);
    return `${atMs}-${signature}`;
  }

  #isFresh(nonce: string, nowMs: number): boolean {
    const atMs = Number(/^(\d{1,15})-/.exec(nonce)?.[1] ?? Number.NaN);
    return nowMs - atMs <= NONCE_LIFE_MS && isEqual(this.#nonce(atMs), nonce);
  }
}

function isEqual(left: string, right: string): boolean {
  const [a, b] = [Buffer.from(left), Buffer.from(right)];
  return a.length === b.length && timingSafeEqual(a, b);
}
