/**
 * Who asks, and whether they may: 00010, 00011, 00012, 00040, 00041, 00030, in this order (spec README point 17).
 *
 * A credential that was verified once is remembered and accepted without a hash, from any address, however many guesses
 * come in. Everything else is a guess. These are the rules for guesses:
 * - A guess at an account that does not exist is answered with 00011, without a hash.
 * - A new guess takes one token from its account-and-address pair and one from its address (IPv6: its /64), and gets
 *   them back if it was right. Without a token it is not checked, and is answered with 00012 after a pause. So a client
 *   that was never verified and shares its address with a guesser gets in once a token has come back. Clients of the same
 *   account at other addresses are not affected at all, and neither is this one after its first success.
 * - A guess already known to be wrong costs no token, so a client with an old password does not lock out its neighbours;
 *   if it keeps repeating it, its answers are delayed. Unknown accounts likewise; in addition only so many of them a
 *   second, from all addresses together, are answered without a pause.
 * - At most two hashes run at once (one, on two processors or fewer). Accounts take turns, and the number of waiting
 *   guesses is bounded; beyond it the answer is 99998, which is no judgement, also after a pause.
 * - Delayed answers leave one after the other (refusal-line.ts), so that guessers can't keep the process busy with
 *   refusals: when they were answered at once over 1,500 connections, they took all of its time.
 */
import type { IncomingMessage } from 'node:http';
import type { Socket } from 'node:net';
import { availableParallelism } from 'node:os';
import { verifyPassword } from '../base/password.ts';
import type { Code } from '../domain/codes.ts';
import { isWellFormedPassword, isWellFormedUsername } from '../domain/credentials.ts';
import type { Account, AccountDirectory } from '../store/accounts.ts';
import { AddressList, type ClientAddresses, siteOf } from './client-address.ts';
import { CredentialMemory } from './credential-memory.ts';
import { GuessLimits } from './guess-limits.ts';
import { HashQueue } from './hash-queue.ts';
import { RefusalLine } from './refusal-line.ts';

export type Authentication = { ok: true; account: Account } | { ok: false; code: Code };

const MAX_KEYS = 50_000;
const PAIR_LIMIT = { capacity: 10, refillMs: 6_000, maxKeys: MAX_KEYS };
const SITE_LIMIT = { capacity: 50, refillMs: 1_000, maxKeys: MAX_KEYS };
/** Failures that cost nothing, after which an address waits for its answers. */
const REPEAT_LIMIT = { capacity: 50, refillMs: 500, maxKeys: MAX_KEYS };
/** The same for all addresses together. */
const ALL_REPEATS_LIMIT = { capacity: 500, refillMs: 4, maxKeys: 1 };

export type HashListener = (result: 'right' | 'wrong' | 'turned-away') => void;

export interface AuthenticatorServices {
  accounts: Pick<AccountDirectory, 'find'>;
  addresses: ClientAddresses;
  /** Called for each guess that reached the hashes. */
  onHash?: HashListener;
  /** Called for each request that gets in. */
  onVerified?: (connection: Socket) => void;
  /** Only tests give these. */
  pauseMs?: number;
  processors?: number;
  verify?: (password: string, passwordHash: string) => Promise<boolean>;
}

export class Authenticator {
  readonly #services: AuthenticatorServices;
  readonly #verify: (password: string, passwordHash: string) => Promise<boolean>;
  readonly #memory = new CredentialMemory();
  readonly #hashes: HashQueue;
  readonly #underWay = new Map<string, Promise<boolean | undefined>>();
  readonly #pairs = new GuessLimits(PAIR_LIMIT);
  readonly #sites = new GuessLimits(SITE_LIMIT);
  readonly #repeats = new GuessLimits(REPEAT_LIMIT);
  readonly #allRepeats = new GuessLimits(ALL_REPEATS_LIMIT);
  readonly #allowLists = new WeakMap<Account, AddressList>();
  readonly #refusals: RefusalLine;

  constructor(services: AuthenticatorServices) {
    this.#services = services;
    this.#verify = services.verify ?? verifyPassword;
    this.#hashes = new HashQueue({ processors: services.processors ?? availableParallelism() });
    this.#refusals = new RefusalLine(services.pauseMs);
  }

  /**
   * Answers at once for an account in memory whose credential was verified, else by a promise, which rejects only for
   * faults.
   */
  authenticate(
    username: string | undefined,
    password: string | undefined,
    request: IncomingMessage,
  ): Authentication | Promise<Authentication> {
    if (username === undefined || password === undefined) return refuse('00010');
    if (!isWellFormedUsername(username) || !isWellFormedPassword(password)) return refuse('00010');
    const account = this.#services.accounts.find(username);
    if (account instanceof Promise) return this.#lookedUp(account, password, request);
    return this.#checkPassword(account, password, request);
  }

  async #lookedUp(
    lookUp: Promise<Account | undefined>,
    password: string,
    request: IncomingMessage,
  ): Promise<Authentication> {
    let account: Account | undefined;
    try {
      account = await lookUp;
    } catch {
      return refuse('99999');
    }
    if (account !== undefined) return this.#checkPassword(account, password, request);
    return this.#refuseRepeated('00011', request);
  }

  #checkPassword(
    account: Account,
    password: string,
    request: IncomingMessage,
  ): Authentication | Promise<Authentication> {
    const key = this.#memory.keyOf(account.username, password);
    if (this.#memory.isRight(key, account.passwordHash)) return this.#checkPermissions(account, request);
    return this.#checkGuess(account, { key, password }, request);
  }

  async #checkGuess(
    account: Account,
    guess: { key: string; password: string },
    request: IncomingMessage,
  ): Promise<Authentication> {
    const site = siteOf(this.#services.addresses.of(request));
    if (this.#memory.isWrong(guess.key, account.passwordHash)) return this.#refuseRepeated('00012', request);
    // The same guess at the same time is one guess, and costs one hash.
    const turn = guess.key + account.passwordHash;
    let verdict = this.#underWay.get(turn);
    if (verdict === undefined) {
      const pair = `${account.accountId} ${site}`;
      if (!this.#takeTokens(pair, site)) return this.#refuseAfterPause('00012', request);
      verdict = this.#hash(account, guess, { pair, site }).finally(() => this.#underWay.delete(turn));
      this.#underWay.set(turn, verdict);
    }
    const isRight = await verdict;
    if (isRight === undefined) return this.#refuseAfterPause('99998', request);
    return isRight ? this.#checkPermissions(account, request) : refuse('00012');
  }

  #takeTokens(pair: string, site: string): boolean {
    const nowMs = performance.now();
    if (!this.#pairs.mayTry(pair, nowMs) || !this.#sites.mayTry(site, nowMs)) return false;
    return this.#pairs.take(pair, nowMs) && this.#sites.take(site, nowMs);
  }

  /** Undefined when too many hashes wait. */
  async #hash(
    account: Account,
    guess: { key: string; password: string },
    tokens: { pair: string; site: string },
  ): Promise<boolean | undefined> {
    const isRight = await this.#hashes.run(account.accountId, () => this.#verify(guess.password, account.passwordHash));
    this.#services.onHash?.(isRight === undefined ? 'turned-away' : isRight ? 'right' : 'wrong');
    if (isRight !== undefined) this.#memory.remember(guess.key, account.passwordHash, isRight);
    if (isRight !== false) {
      this.#pairs.giveBack(tokens.pair);
      this.#sites.giveBack(tokens.site);
    }
    return isRight;
  }

  #checkPermissions(account: Account, request: IncomingMessage): Authentication {
    if (account.state === 'disabled') return refuse('00040');
    if (!account.api) return refuse('00041');
    if (account.ipAllow.length > 0 && !this.#isAllowedFrom(account, request)) return refuse('00030');
    this.#services.onVerified?.(request.socket);
    return { ok: true, account };
  }

  #isAllowedFrom(account: Account, request: IncomingMessage): boolean {
    let list = this.#allowLists.get(account);
    if (list === undefined) {
      list = new AddressList(account.ipAllow);
      this.#allowLists.set(account, list);
    }
    const address = this.#services.addresses.of(request);
    return address !== undefined && list.has(address);
  }

  #refuseRepeated(code: Code, request: IncomingMessage): Authentication | Promise<Authentication> {
    const nowMs = performance.now();
    const site = siteOf(this.#services.addresses.of(request));
    const isAtOnce = this.#repeats.take(site, nowMs) && this.#allRepeats.take('', nowMs);
    return isAtOnce ? refuse(code) : this.#refuseAfterPause(code, request);
  }

  async #refuseAfterPause(code: Code, request: IncomingMessage): Promise<Authentication> {
    await this.#refusals.wait(request.socket);
    return refuse(code);
  }
}

function refuse(code: Code): Authentication {
  return { ok: false, code };
}
