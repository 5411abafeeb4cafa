/**
 * Which of the servers that DATABASE_URL names is worked on: the one that takes writes, on the newest timeline.
 * A primary that was left behind by a fail-over takes writes, too, but its timeline is older: it is never gone back
 * to, and left when the newer one is seen. `pg` itself can parse but one host.
 */
import pg from 'pg';
import { FeigeError } from '../base/errors.ts';
import type { Logger } from '../base/log.ts';
import { Periodic } from '../base/periodic.ts';

const CONNECT_TIMEOUT_MS = 5_000;
/** Once one server takes writes, how long the others may take to say that they are newer. */
const OTHERS_WITHIN_MS = 1_000;
const PROBE_QUERY_TIMEOUT_MS = 3_000;
const WATCH_EVERY_MS = 2_000;
/** Of a look: a primary that stands still must not hide its successor for as long as a connection may take. */
const WATCH_PATIENCE_MS = 2_000;

export type ConnectOptions = Omit<pg.ClientConfig, 'connectionString' | 'connectionTimeoutMillis'>;

type ServerState =
  | { readonly kind: 'writable'; readonly timeline: number }
  | { readonly kind: 'unusable'; readonly reason: string; readonly cause?: unknown };

/** Each host of the address as an address of its own; parameters after `?` are for all. */
export function databaseHosts(databaseUrl: string): string[] {
  const match = /^(postgres(?:ql)?:\/\/)([^@/]*@)?([^/?]*)(.*)$/.exec(databaseUrl);
  if (!match) throw new FeigeError('CONFIG_INVALID', 'DATABASE_URL must begin with postgres:// or postgresql://');
  const [, scheme = '', credentials = '', hosts = '', rest = ''] = match;
  return hosts.split(',').map((host) => `${scheme}${credentials}${host}${rest}`);
}

/** Connects to a server that takes writes, for work that asks but once. Throws DATABASE_UNREACHABLE. */
export function connectWritable(databaseUrl: string, options: ConnectOptions = {}): Promise<pg.Client> {
  return new DatabaseHosts(databaseUrl).connect(options);
}

type Opening =
  | { readonly kind: 'open'; readonly client: pg.Client }
  | { readonly kind: 'failed'; readonly cause: unknown };

/** Wrong credentials, an unknown database, missing rights: no waiting mends them. */
const REFUSED_FOR_GOOD = /^(28|3D|42)/;
/** A connection that was lost, by its SQLSTATE, by the socket's code, or as `pg` words it. */
const LOST = /^(08...|57P..|ECONNRESET|ECONNREFUSED|ETIMEDOUT|EPIPE)$/;
const LOST_IN_WORDS = /^(Connection terminated|timeout expired|Query read timeout|timeout exceeded when trying)/;

/** Whether what came with this fault may succeed once the database is back. */
export function isDatabaseAway(error: unknown): boolean {
  if (!(error instanceof Error)) return false;
  if (error instanceof FeigeError) {
    return error.code === 'DATABASE_UNREACHABLE' && !REFUSED_FOR_GOOD.test(codeOf(error.cause));
  }
  return LOST.test(codeOf(error)) || LOST_IN_WORDS.test(error.message);
}

function codeOf(error: unknown): string {
  return error instanceof Error && 'code' in error ? String(error.code) : '';
}

interface Follower {
  readonly log: Logger;
  /** Another server took over as the primary. */
  readonly onMoved: () => void;
}

export class DatabaseHosts {
  readonly #urls: readonly string[];
  /** Called when another server takes over, for those that wait for one that may say nothing for seconds. */
  readonly #waiting = new Set<() => void>();
  #current: string | undefined;
  /** The newest one on which writes were seen; 0 where the server does not say. */
  #timeline = 0;
  #choosing: Promise<string> | undefined;
  #watch: Periodic | undefined;
  #follower: Follower | undefined;

  constructor(databaseUrl: string) {
    this.#urls = databaseHosts(databaseUrl);
    if (this.#urls.length === 1) this.#current = this.#urls[0];
  }

  get several(): boolean {
    return this.#urls.length > 1;
  }

  /** The address of the server that takes writes, as far as known; found out when it is not. */
  async current(): Promise<string> {
    return this.#current ?? (await this.#unlessMoved(this.#choose())) ?? this.current();
  }

  /** A connection to the server that takes writes. Throws DATABASE_UNREACHABLE. */
  async connect(options: ConnectOptions): Promise<pg.Client> {
    const current = await this.current();
    const known = await this.#open(current, options);
    if (known.kind === 'open') return known.client;
    if (!this.several) throw unreachable(known.cause);
    this.#forget(current);
    const newest = await this.current();
    const chosen = await this.#open(newest, options);
    if (chosen.kind === 'open') return chosen.client;
    this.#forget(newest);
    throw unreachable(chosen.cause);
  }

  /** Unless another one was found meanwhile. */
  #forget(url: string): void {
    if (this.#current === url) this.#current = undefined;
  }

  /**
   * Looks every two seconds whether another server took over: a primary that is gone without a word, or lives on
   * beside its successor, ends no connection. `onMoved` drops those that lead to it, however the successor was found.
   */
  watch(follower: Follower): void {
    if (!this.several) return;
    this.#follower = follower;
    this.#watch = new Periodic({
      everyMs: WATCH_EVERY_MS,
      keepsAlive: false,
      run: async () => {
        await this.#askAll(WATCH_PATIENCE_MS);
        return false;
      },
      onError: (error) => follower.log.warn({ err: error }, 'no server of DATABASE_URL takes writes'),
    });
    this.#watch.start();
  }

  async stop(): Promise<void> {
    await this.#watch?.stop();
  }

  /** Failed as soon as another server takes over. */
  async #open(url: string, options: ConnectOptions): Promise<Opening> {
    const opening = this.#openWhole(url, options);
    const opened = await this.#unlessMoved(opening);
    if (opened !== undefined) return opened;
    // It ends by its own time-out, and nobody waits for it any more.
    void opening.then((late) => (late.kind === 'open' ? late.client.end() : undefined)).catch(() => {});
    return { kind: 'failed', cause: new Error(LEFT_BEHIND) };
  }

  async #openWhole(url: string, options: ConnectOptions): Promise<Opening> {
    const client = clientOf(url, options);
    try {
      await client.connect();
      if (!this.several) return { kind: 'open', client };
      const state = await stateOf(client);
      if (state.kind === 'writable' && state.timeline >= this.#timeline) return { kind: 'open', client };
      client.end().catch(() => {});
      return { kind: 'failed', cause: new Error(state.kind === 'writable' ? LEFT_BEHIND : state.reason) };
    } catch (error) {
      client.end().catch(() => {});
      return { kind: 'failed', cause: error };
    }
  }

  #choose(): Promise<string> {
    this.#choosing ??= this.#askAll().finally(() => {
      this.#choosing = undefined;
    });
    return this.#choosing;
  }

  /**
   * Takes the newest server that takes writes, the earlier named one of equals.
   * @param patienceMs what has not answered by then is left out; by default each has the time of a connection
   */
  async #askAll(patienceMs?: number): Promise<string> {
    const answers = await this.#answers(patienceMs);
    let best: { url: string; timeline: number } | undefined;
    let reason: unknown;
    for (const [index, url] of this.#urls.entries()) {
      const state = answers[index];
      if (state?.kind === 'unusable') reason = state.cause ?? new Error(state.reason);
      if (state?.kind !== 'writable') continue;
      if (state.timeline < this.#timeline) reason = new Error(LEFT_BEHIND);
      else if (!best || state.timeline > best.timeline) best = { url, timeline: state.timeline };
    }
    if (!best) throw unreachable(reason);
    const isSuccessor = this.#timeline !== 0 && best.timeline > this.#timeline;
    this.#timeline = best.timeline;
    this.#current = best.url;
    if (isSuccessor) this.#move();
    return best.url;
  }

  /** Of all servers, asked at once; undefined where there was none in time. */
  async #answers(patienceMs?: number): Promise<readonly (ServerState | undefined)[]> {
    const answers: (ServerState | undefined)[] = this.#urls.map(() => undefined);
    const enough = Promise.withResolvers<void>();
    const atMost = patienceMs === undefined ? undefined : setTimeout(() => enough.resolve(), patienceMs);
    let others: NodeJS.Timeout | undefined;
    const asked = this.#urls.map(async (url, index) => {
      const state = await probe(url);
      answers[index] = state;
      // What answers too late for this look keeps nobody waiting.
      if (state.kind === 'writable') others ??= setTimeout(() => enough.resolve(), OTHERS_WITHIN_MS).unref();
    });
    await Promise.race([Promise.all(asked), enough.promise]);
    clearTimeout(atMost);
    clearTimeout(others);
    return answers;
  }

  #move(): void {
    const { log, onMoved } = this.#follower ?? {};
    log?.warn({ timeline: this.#timeline }, 'another server took over as the primary; connections move to it');
    onMoved?.();
    for (const leave of this.#waiting) leave();
  }

  /** What `work` gives; undefined as soon as another server takes over. */
  async #unlessMoved<Result>(work: Promise<Result>): Promise<Result | undefined> {
    const moved = Promise.withResolvers<undefined>();
    const leave = (): void => moved.resolve(undefined);
    this.#waiting.add(leave);
    return Promise.race([work, moved.promise]).finally(() => this.#waiting.delete(leave));
  }
}

const LEFT_BEHIND = 'this server takes writes, but another one took over from it';

function unreachable(cause: unknown): FeigeError {
  const reason = cause instanceof Error ? cause.message || ('code' in cause ? String(cause.code) : '') : '';
  return new FeigeError('DATABASE_UNREACHABLE', `no writable database answers${reason && `: ${reason}`}`, { cause });
}

function clientOf(connectionString: string, options: ConnectOptions): pg.Client {
  const client = new pg.Client({
    connectionString,
    connectionTimeoutMillis: CONNECT_TIMEOUT_MS,
    keepAlive: true,
    ...options,
  });
  // An idle client's socket error arrives as an event; the next query reports it to whoever asks.
  client.on('error', () => {});
  return client;
}

async function probe(url: string): Promise<ServerState> {
  const client = clientOf(url, {});
  try {
    await client.connect();
    return await stateOf(client);
  } catch (error) {
    return { kind: 'unusable', reason: 'it does not answer', cause: error };
  } finally {
    client.end().catch(() => {});
  }
}

const TAKES_WRITES = `NOT pg_is_in_recovery() AND current_setting('transaction_read_only') = 'off' AS writable`;
// The name of a segment begins with the timeline it is written on, right from the promotion on.
const TIMELINE = `CASE WHEN pg_is_in_recovery() THEN 0
  ELSE ('x' || left(pg_walfile_name(pg_current_wal_lsn()), 8))::bit(32)::bigint END AS timeline`;

/** Throws when the server does not answer. */
async function stateOf(client: pg.Client): Promise<ServerState> {
  const ask = async (columns: string): Promise<ServerState> => {
    const question = { text: `SELECT ${columns}`, query_timeout: PROBE_QUERY_TIMEOUT_MS };
    const { rows } = await client.query<{ writable: boolean; timeline?: string }>(question);
    if (rows[0]?.writable !== true) return { kind: 'unusable', reason: 'this server is a standby, or read-only' };
    return { kind: 'writable', timeline: Number(rows[0].timeline ?? 0) };
  };
  try {
    return await ask(`${TAKES_WRITES}, ${TIMELINE}`);
  } catch (error) {
    // Refused or unknown there: some managed servers keep these functions to themselves.
    if (error instanceof pg.DatabaseError && /^(42|0A)/.test(error.code ?? '')) return ask(TAKES_WRITES);
    throw error;
  }
}
