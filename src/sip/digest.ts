/**
 * Digest authentication of a client (RFC 3261 §22, RFC 7616, RFC 8760): MD5 and SHA-256, with `qop=auth` or without.
 * `Credentials` remembers the challenges of one call and stops when the password is wrong.
 */
import { createHash, randomBytes } from 'node:crypto';
import { parseParameters } from './header-values.ts';
import { headerLinesOf, type SipHeader, type SipResponse } from './message.ts';

export type DigestAlgorithm = 'MD5' | 'SHA-256';

export interface Challenge {
  /** 401 asks for Authorization, 407 for Proxy-Authorization. */
  by: 'server' | 'proxy';
  realm: string;
  nonce: string;
  opaque: string | undefined;
  algorithm: DigestAlgorithm;
  /** As the peer wrote it, so that it recognises its own word; undefined when it wrote none. */
  algorithmName: string | undefined;
  qop: 'auth' | undefined;
  stale: boolean;
}

const MAX_REALMS = 4;
/** Answers to challenges in one call, fresh nonces included. */
const MAX_ANSWERS = 8;
const NONCE_COUNT_DIGITS = 8;
const CNONCE_BYTES = 8;

/** The challenges of a 401 or 407 that we can answer, in the peer's order. */
export function readChallenges(response: SipResponse): Challenge[] {
  const by = response.status === 407 ? 'proxy' : 'server';
  const name = by === 'proxy' ? 'Proxy-Authenticate' : 'WWW-Authenticate';
  return headerLinesOf(response, name).flatMap((line) => parseChallenge(line, by) ?? []);
}

function parseChallenge(line: string, by: Challenge['by']): Challenge | undefined {
  const found = /^digest\s+(.+)$/is.exec(line);
  if (found === null) return undefined;
  const parameters = parseParameters(found[1] ?? '', ',');
  const realm = parameters.get('realm');
  const nonce = parameters.get('nonce');
  const algorithmName = parameters.get('algorithm');
  const algorithm = algorithmOf(algorithmName);
  const qops = parameters
    .get('qop')
    ?.split(',')
    .map((qop) => qop.trim().toLowerCase());
  if (realm === undefined || nonce === undefined || algorithm === undefined) return undefined;
  if (qops !== undefined && !qops.includes('auth')) return undefined;
  return {
    by,
    realm,
    nonce,
    opaque: parameters.get('opaque'),
    algorithm,
    algorithmName,
    qop: qops === undefined ? undefined : 'auth',
    stale: parameters.get('stale')?.toLowerCase() === 'true',
  };
}

function algorithmOf(name: string | undefined): DigestAlgorithm | undefined {
  // RFC 7616 §3.3: MD5 where none is named.
  switch ((name ?? 'MD5').toUpperCase()) {
    case 'MD5':
      return 'MD5';
    case 'SHA-256':
      return 'SHA-256';
    default:
      return undefined;
  }
}

export interface DigestInput {
  challenge: Challenge;
  username: string;
  password: string;
  method: string;
  uri: string;
  /** How often this nonce has been used, from 1. */
  nonceCount: number;
  cnonce: string;
}

/** The value of Authorization or Proxy-Authorization (RFC 7616 §3.4). */
export function authorizationValue(input: DigestInput): string {
  const { challenge, username, method, uri, cnonce } = input;
  const hash = (text: string): string =>
    createHash(challenge.algorithm === 'MD5' ? 'md5' : 'sha256')
      .update(text, 'utf8')
      .digest('hex');
  const ha1 = hash(`${username}:${challenge.realm}:${input.password}`);
  const ha2 = hash(`${method}:${uri}`);
  const count = input.nonceCount.toString(16).padStart(NONCE_COUNT_DIGITS, '0');
  const middle = challenge.qop === undefined ? challenge.nonce : `${challenge.nonce}:${count}:${cnonce}:auth`;
  const fields = [
    `username=${quoted(username)}`,
    `realm=${quoted(challenge.realm)}`,
    `nonce=${quoted(challenge.nonce)}`,
    `uri=${quoted(uri)}`,
    `response="${hash(`${ha1}:${middle}:${ha2}`)}"`,
  ];
  if (challenge.algorithmName !== undefined) fields.push(`algorithm=${challenge.algorithmName}`);
  if (challenge.opaque !== undefined) fields.push(`opaque=${quoted(challenge.opaque)}`);
  if (challenge.qop !== undefined) fields.push(`qop=auth`, `nc=${count}`, `cnonce="${cnonce}"`);
  return `Digest ${fields.join(', ')}`;
}

function quoted(text: string): string {
  return `"${text.replaceAll(/["\\]/g, '\\$&')}"`;
}

export type ChallengeOutcome = 'answered' | 'no-credentials' | 'unsupported' | 'rejected';

interface KnownChallenge {
  challenge: Challenge;
  nonceCount: number;
}

export class Credentials {
  readonly #account: { username: string; password: string } | undefined;
  /** By asker and realm: a proxy and the server behind it may both ask (§22.3). */
  readonly #known = new Map<string, KnownChallenge>();
  /** Those answered since `begin`. */
  readonly #answered = new Set<string>();
  #answers = 0;

  constructor(account: { username: string; password: string } | undefined) {
    this.#account = account;
  }

  /** A new request of the call: being asked about it once more is no rejection of the password. */
  begin(): void {
    this.#answered.clear();
  }

  /** Takes a 401 or 407 in; `answered` means that the request is worth sending again with `headersFor`. */
  take(response: SipResponse): ChallengeOutcome {
    if (this.#account === undefined) return 'no-credentials';
    const challenges = readChallenges(response);
    if (challenges.length === 0) return 'unsupported';
    const fresh = new Map<string, Challenge>();
    // RFC 8760 §2.4: of one realm's challenges the topmost that we support.
    for (const challenge of challenges) {
      const key = `${challenge.by} ${challenge.realm}`;
      if (!fresh.has(key)) fresh.set(key, challenge);
    }
    // §22.2: asked again although we had answered, and the nonce was not merely stale: the password is wrong.
    const again = [...fresh].some(([key, challenge]) => this.#answered.has(key) && !challenge.stale);
    this.#answers += 1;
    if (again || this.#answers > MAX_ANSWERS) return 'rejected';
    for (const [key, challenge] of fresh) {
      if (!this.#known.has(key) && this.#known.size >= MAX_REALMS) continue;
      this.#known.set(key, { challenge, nonceCount: 0 });
      this.#answered.add(key);
    }
    return 'answered';
  }

  /** For a request of this call; ACK of a 2xx repeats its INVITE's headers instead (§13.2.2.4). */
  headersFor(method: string, uri: string): SipHeader[] {
    const account = this.#account;
    if (account === undefined) return [];
    return [...this.#known.values()].map((known) => {
      known.nonceCount += 1;
      const { challenge, nonceCount } = known;
      const cnonce = randomBytes(CNONCE_BYTES).toString('hex');
      return {
        name: challenge.by === 'proxy' ? 'Proxy-Authorization' : 'Authorization',
        value: authorizationValue({ challenge, ...account, method, uri, nonceCount, cnonce }),
      };
    });
  }
}
