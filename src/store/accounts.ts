/**
 * Accounts as the API needs them: looked up by username and kept in memory. Once a second one statement asks the
 * database which of the kept ones have another version, so that a change holds on every node within 5 s; what could
 * not be confirmed for longer than that is read again. A balance kept here is a hint, never a judgement.
 */
import type { Queryable } from './database.ts';

export interface Account {
  readonly accountId: number;
  readonly username: string;
  /** PHC string. */
  readonly passwordHash: string;
  readonly state: 'active' | 'disabled';
  readonly api: boolean;
  readonly international: boolean;
  /** Addresses and CIDRs; empty lets every address in. */
  readonly ipAllow: readonly string[];
  readonly textEncoding: 'auto' | 'utf-8' | 'big5';
  readonly doubleEncoding: 'auto' | 'always' | 'never';
  readonly incomingUrl: string | undefined;
  readonly sourceAddress: string | undefined;
  readonly share: number;
  /** Raised by every change of a setting. */
  readonly version: number;
  /** Points when it was last read; a hint. */
  balance: number;
}

interface AccountRow {
  account_id: number;
  username: string;
  password_hash: string;
  state: 'active' | 'disabled';
  api: boolean;
  international: boolean;
  ip_allow: string[];
  text_encoding: Account['textEncoding'];
  double_encoding: Account['doubleEncoding'];
  incoming_url: string | null;
  source_address: string | null;
  share: number;
  version: number;
  balance: number;
}

const REFRESH_PERIOD_MS = 1_000;
/** Together with the period this stays under the 5 s within which a change has to hold. */
const UNCONFIRMED_LIMIT_MS = 3_500;
const MAX_KEPT_ACCOUNTS = 10_000;
const MAX_NAMES_A_LOOKUP = 500;
const MAX_WAITING_NAMES = 2_000;
const DATABASE_PATIENCE_MS = 5_000;

interface Waiting {
  promise: Promise<Account | undefined>;
  settle(account: Account | undefined): void;
  fail(error: unknown): void;
}

export class AccountDirectory {
  readonly #database: Queryable;
  readonly #kept = new Map<string, Account>();
  #waiting = new Map<string, Waiting>();
  readonly #asked = new Map<string, Waiting>();
  readonly #balances = new Map<number, Promise<number | undefined>>();
  #looking = false;
  #refreshing: Promise<void> | undefined;
  #timer: NodeJS.Timeout | undefined;
  /** On the monotonic clock: everything kept was in step with the database then. */
  #confirmedAtMs = performance.now();

  constructor(services: { database: Queryable }) {
    this.#database = services.database;
  }

  /** Begins to follow changes; without it what is kept is dropped after a few seconds. */
  start(): void {
    this.#timer ??= setInterval(() => this.#refreshSoon(), REFRESH_PERIOD_MS).unref();
  }

  async stop(): Promise<void> {
    clearInterval(this.#timer);
    this.#timer = undefined;
    await this.#refreshing;
  }

  /**
   * The account of this name; undefined when there is none. At once when it is kept, else by a promise, which
   * rejects when the database does not answer. Unknown names are never kept: a new account works at once.
   */
  find(username: string): Account | Promise<Account | undefined> {
    if (performance.now() - this.#confirmedAtMs > UNCONFIRMED_LIMIT_MS) this.#forgetAll();
    return this.#kept.get(username) ?? this.#lookUpSoon(username);
  }

  /** The next look-up of this name reads the database. */
  forget(username: string): void {
    this.#kept.delete(username);
  }

  /** The balance as the database has it now; undefined when the account is gone. Askers of one moment share a read. */
  readBalance(accountId: number): Promise<number | undefined> {
    const running = this.#balances.get(accountId);
    if (running !== undefined) return running;
    const reading = within(DATABASE_PATIENCE_MS, selectBalance(this.#database, accountId)).finally(() =>
      this.#balances.delete(accountId),
    );
    this.#balances.set(accountId, reading);
    return reading;
  }

  #lookUpSoon(username: string): Promise<Account | undefined> {
    const shared = this.#waiting.get(username) ?? this.#asked.get(username);
    if (shared !== undefined) return shared.promise;
    if (this.#waiting.size >= MAX_WAITING_NAMES)
      return Promise.reject(new Error('too many names wait to be looked up'));
    const { promise, resolve: settle, reject: fail } = Promise.withResolvers<Account | undefined>();
    this.#waiting.set(username, { promise, settle, fail });
    if (!this.#looking) void this.#lookUpWaiting();
    return promise;
  }

  /** One statement at a time for all names that wait: a flood of unknown names costs the database little. */
  async #lookUpWaiting(): Promise<void> {
    this.#looking = true;
    while (this.#waiting.size > 0) {
      for (const [username, waiting] of this.#waiting) {
        if (this.#asked.size === MAX_NAMES_A_LOOKUP) break;
        this.#asked.set(username, waiting);
        this.#waiting.delete(username);
      }
      try {
        const found = await within(DATABASE_PATIENCE_MS, selectAccounts(this.#database, [...this.#asked.keys()]));
        for (const account of found) this.#keep(account);
        const byName = new Map(found.map((account) => [account.username, account]));
        for (const [username, waiting] of this.#asked) waiting.settle(byName.get(username));
      } catch (error) {
        for (const waiting of this.#asked.values()) waiting.fail(error);
      }
      this.#asked.clear();
    }
    this.#looking = false;
  }

  #keep(account: Account): void {
    if (this.#kept.size === 0) this.#confirmedAtMs = performance.now();
    if (this.#kept.size >= MAX_KEPT_ACCOUNTS) {
      const [oldest] = this.#kept.keys();
      if (oldest !== undefined) this.#kept.delete(oldest);
    }
    this.#kept.set(account.username, account);
  }

  #forgetAll(): void {
    this.#kept.clear();
    this.#confirmedAtMs = performance.now();
  }

  #refreshSoon(): void {
    this.#refreshing ??= this.#refresh().finally(() => {
      this.#refreshing = undefined;
    });
  }

  async #refresh(): Promise<void> {
    const startedAtMs = performance.now();
    try {
      const kept = [...this.#kept.values()];
      const changed = kept.length === 0 ? [] : await within(DATABASE_PATIENCE_MS, selectChanged(this.#database, kept));
      for (const { username } of changed) this.#kept.delete(username);
      this.#confirmedAtMs = startedAtMs;
    } catch {
      // The database is out of reach: `find` stops trusting what is kept when that lasts.
    }
  }
}

const COLUMNS = `account_id, username, password_hash, state, api, international, ip_allow, text_encoding,
  double_encoding, incoming_url, source_address, share, version, balance`;

async function selectAccounts(database: Queryable, usernames: readonly string[]): Promise<Account[]> {
  const rows = await database.query<AccountRow>(
    { name: 'accounts.by-username', text: `SELECT ${COLUMNS} FROM accounts WHERE username = ANY ($1::text[])` },
    [usernames],
  );
  return rows.map((row) => ({
    accountId: row.account_id,
    username: row.username,
    passwordHash: row.password_hash,
    state: row.state,
    api: row.api,
    international: row.international,
    ipAllow: row.ip_allow,
    textEncoding: row.text_encoding,
    doubleEncoding: row.double_encoding,
    incomingUrl: row.incoming_url ?? undefined,
    sourceAddress: row.source_address ?? undefined,
    share: row.share,
    version: row.version,
    balance: row.balance,
  }));
}

function selectChanged(database: Queryable, accounts: readonly Account[]): Promise<{ username: string }[]> {
  const text = `
    SELECT kept.username
    FROM unnest($1::text[], $2::bigint[]) AS kept (username, version)
    LEFT JOIN accounts USING (username)
    WHERE accounts.version IS DISTINCT FROM kept.version`;
  const usernames = accounts.map((account) => account.username);
  const versions = accounts.map((account) => account.version);
  return database.query({ name: 'accounts.changed', text }, [usernames, versions]);
}

async function selectBalance(database: Queryable, accountId: number): Promise<number | undefined> {
  const text = 'SELECT balance FROM accounts WHERE account_id = $1';
  const rows = await database.query<{ balance: number }>({ name: 'accounts.balance', text }, [accountId]);
  return rows[0]?.balance;
}

/** Rejects when `work` takes longer; the work itself goes on and its outcome is dropped. */
async function within<Result>(patienceMs: number, work: Promise<Result>): Promise<Result> {
  const { promise: late, reject } = Promise.withResolvers<never>();
  const timer = setTimeout(() => reject(new Error(`no answer from the database in ${patienceMs} ms`)), patienceMs);
  try {
    return await Promise.race([work, late]);
  } finally {
    clearTimeout(timer);
  }
}
