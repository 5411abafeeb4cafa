/**
 * Connections to PostgreSQL. Short look-ups share a pool; each stage that works in batches has a connection
 * of its own, whose plans are made once and never for empty tables. Of several hosts they go to the one that takes
 * writes, and leave it when another takes over.
 */
import pg from 'pg';
import { FeigeError } from '../base/errors.ts';
import type { Logger } from '../base/log.ts';
import type { SecretKeys } from '../base/secret-keys.ts';
import { arrayLiteral } from './array-literal.ts';
import { DatabaseHosts } from './database-hosts.ts';

const CONNECT_TIMEOUT_MS = 5_000;
const POOL_CONNECTIONS = 8;
const POOL_STATEMENT_TIMEOUT_MS = 10_000;
/** The server ends a statement sooner than this; if it has not, it has vanished without a word. */
const POOL_QUERY_TIMEOUT_MS = 12_000;
const RECONNECT_PAUSE_MS = 100;
/** Without this, a server that vanished without a word would be waited for as long as TCP does, which is hours. */
const STAGE_QUERY_TIMEOUT_MS = 15_000;
/** The commit is on this server's disk but on no replica's. It comes as a warning: the statement itself succeeds. */
const NOT_REPLICATED = /^canceling (?:the )?wait for synchronous replication/;

/** int8 as a JavaScript number: every bigint of ours (msgids, points, counts) stays below 2^53. */
const TYPES = {
  getTypeParser(oid: number, format?: 'text' | 'binary'): (value: string) => unknown {
    if (oid === pg.types.builtins.INT8 || oid === pg.types.builtins.NUMERIC) return Number;
    return pg.types.getTypeParser(oid, format as 'text');
  },
} as pg.CustomTypesConfig;

export type Parameter = string | number | bigint | boolean | Date | Buffer | null | readonly Parameter[];

/** A statement with the name under which each connection prepares it. */
export interface Statement {
  readonly name: string;
  readonly text: string;
}

export interface Queryable {
  query<Row>(statement: Statement, parameters: readonly Parameter[]): Promise<Row[]>;
}

/** The SQLSTATE of an error that came from the database; empty for any other. */
function sqlState(error: unknown): string {
  return error instanceof Error && 'code' in error ? String(error.code) : '';
}

/**
 * SQLSTATE classes that one row's content can cause: data exception, integrity violation, program limit. The other rows
 * of the statement would go through without it.
 */
export function isRowFault(error: unknown): boolean {
  return /^(22|23|54)/.test(sqlState(error));
}

/** Deadlock and serialisation failure: nothing happened, the same batch can go again. */
export function isTransient(error: unknown): boolean {
  return sqlState(error).startsWith('40');
}

/** A database that holds sealed passwords, together with their keys. */
export interface KeyedQueryable extends Queryable {
  /** Absent only where tests store things as they are. */
  readonly keys: SecretKeys | undefined;
}

/** SQLSTATE class 08 and 57P0x, or no SQLSTATE at all: the server may or may not have committed. */
export function isConnectionLoss(error: unknown): boolean {
  const code = sqlState(error);
  return !/^[0-9A-Z]{5}$/.test(code) || code.startsWith('08') || code.startsWith('57P') || code === 'EPIPE';
}

/** SQLSTATE 25006: the server takes no writes (any more), and certainly took none of this statement. */
export function isReadOnly(error: unknown): boolean {
  return sqlState(error) === '25006';
}

/**
 * One connection used by one stage, statements one after the other. After a loss the next query connects
 * again; it never repeats a statement by itself, since only the stage knows whether that is safe.
 */
export class StageConnection implements Queryable {
  readonly #hosts: DatabaseHosts;
  readonly #settings: string;
  readonly #queryTimeoutMs: number | undefined;
  #client: pg.Client | undefined;
  #connecting: Promise<pg.Client> | undefined;
  #notReplicated = false;
  #stopped = false;

  constructor(hosts: DatabaseHosts, settings: string, queryTimeoutMs?: number) {
    this.#hosts = hosts;
    this.#settings = settings;
    this.#queryTimeoutMs = queryTimeoutMs;
  }

  async query<Row>(statement: Statement, parameters: readonly Parameter[]): Promise<Row[]> {
    return this.#queryOver(this.#client ?? (await this.#connect()), statement, parameters);
  }

  async #queryOver<Row>(client: pg.Client, statement: Statement, parameters: readonly Parameter[]): Promise<Row[]> {
    try {
      const result = await client.query({
        name: statement.name,
        text: statement.text,
        values: parameters.map((value) => (Array.isArray(value) ? (arrayLiteral(value) ?? value) : value)) as unknown[],
      });
      this.#confirmReplicated();
      return result.rows as Row[];
    } catch (error) {
      if (isConnectionLoss(error) || isReadOnly(error)) this.#drop(client);
      throw error;
    }
  }

  /** Runs `work` between BEGIN and COMMIT on one connection, never over another one; rolls back when it throws. */
  async transaction<Result>(work: (tx: Queryable) => Promise<Result>): Promise<Result> {
    const client = this.#client ?? (await this.#connect());
    try {
      await client.query('BEGIN');
      const result = await work({
        query: (statement, parameters) => this.#queryOver(client, statement, parameters),
      });
      await client.query('COMMIT');
      this.#confirmReplicated();
      return result;
    } catch (error) {
      if (isConnectionLoss(error) || isReadOnly(error)) this.#drop(client);
      else await client.query('ROLLBACK').catch(() => this.#drop(client));
      throw error;
    }
  }

  /** Ends the connection; statements under way end with an unknown outcome, and the next one connects again. */
  leave(): void {
    if (this.#client) this.#drop(this.#client);
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    const client = this.#client ?? (await this.#connecting?.catch(() => undefined));
    this.#client = undefined;
    await client?.end().catch(() => {});
  }

  /**
   * A commit that no replica has may be lost with this server: its outcome is unknown, like that of a lost connection.
   */
  #confirmReplicated(): void {
    if (!this.#notReplicated) return;
    this.#notReplicated = false;
    throw new Error('the wait for synchronous replication was cancelled');
  }

  #connect(): Promise<pg.Client> {
    if (this.#stopped) return Promise.reject(new FeigeError('STOPPED', 'this connection was stopped'));
    this.#connecting ??= this.#hosts
      .connect({
        ...(this.#queryTimeoutMs === undefined ? {} : { query_timeout: this.#queryTimeoutMs }),
        options: this.#settings,
        types: TYPES,
      })
      .then((client) => {
        client.once('end', () => this.#drop(client));
        client.on('notice', ({ message }) => {
          if (message !== undefined && NOT_REPLICATED.test(message)) this.#notReplicated = true;
        });
        this.#client = client;
        return client;
      })
      .finally(() => {
        this.#connecting = undefined;
      });
    return this.#connecting;
  }

  #drop(client: pg.Client): void {
    if (this.#client !== client) return;
    this.#client = undefined;
    client.end().catch(() => {});
  }
}

/**
 * The planner makes bad plans for tables that were empty when it looked: these settings hold it to the indexes
 * (measured: receipts 11.5 to 7 ms a batch).
 */
const STAGE_PLANS =
  '-c plan_cache_mode=force_generic_plan -c jit=off -c enable_seqscan=off -c enable_bitmapscan=off -c enable_mergejoin=off -c enable_hashjoin=off';
/** How long a node that stops, or is cut off without a word, in the middle of a transaction keeps its locks. */
const STAGE_SETTINGS = `${STAGE_PLANS} -c idle_in_transaction_session_timeout=4000`;
const FORGETFUL_SETTING = '-c synchronous_commit=off';

export class Database implements KeyedQueryable {
  readonly keys: SecretKeys | undefined;
  readonly #hosts: DatabaseHosts;
  readonly #stages: StageConnection[] = [];
  /** The pool's connections, including those of abandoned pools until they are closed. */
  readonly #pooled = new Set<pg.Client>();
  #pool: pg.Pool | undefined;
  #poolHost: Promise<pg.Pool> | undefined;
  /** Pools abandoned after a loss, kept until everyone who waited in them has had a connection or waited too long. */
  readonly #retired = new Set<pg.Pool>();

  readonly #queryTimeoutMs: number;

  constructor(databaseUrl: string, options: { keys?: SecretKeys; queryTimeoutMs?: number } = {}) {
    this.#queryTimeoutMs = options.queryTimeoutMs ?? POOL_QUERY_TIMEOUT_MS;
    this.keys = options.keys;
    this.#hosts = new DatabaseHosts(databaseUrl);
  }

  /** Whether DATABASE_URL names more than one server. */
  get severalHosts(): boolean {
    return this.#hosts.several;
  }

  /**
   * From now on, when another host takes over as the primary, that is noticed without waiting for the old one to
   * answer.
   */
  followPrimary(log: Logger): void {
    this.#hosts.watch({
      log,
      onMoved: () => {
        for (const stage of this.#stages) stage.leave();
        for (const client of this.#pooled) client.end().catch(() => {});
        if (this.#pool) this.#forgetPool(this.#pool);
      },
    });
  }

  /** A look-up or an administrative write; bounded by a time-out. */
  async query<Row>(statement: Statement, parameters: readonly Parameter[]): Promise<Row[]> {
    const pool = await this.#writablePool();
    try {
      const result = await pool.query({ name: statement.name, text: statement.text, values: parameters as unknown[] });
      return result.rows as Row[];
    } catch (error) {
      if (isConnectionLoss(error) || isReadOnly(error)) this.#forgetPool(pool);
      throw error;
    }
  }

  /** Several statements in one transaction, for administrative writes. */
  async transaction<Result>(work: (tx: Queryable) => Promise<Result>): Promise<Result> {
    const settings = `-c statement_timeout=${POOL_STATEMENT_TIMEOUT_MS}`;
    const connection = new StageConnection(this.#hosts, settings, this.#queryTimeoutMs);
    try {
      return await connection.transaction(work);
    } finally {
      await connection.stop();
    }
  }

  /**
   * A connection for one stage of the flow.
   * @param options.mayForget its commits wait for no disk: a server that dies may lose those of its last half second
   */
  stage(options: { queryTimeoutMs?: number; mayForget?: boolean } = {}): StageConnection {
    const patienceMs = options.queryTimeoutMs ?? STAGE_QUERY_TIMEOUT_MS;
    const settings = options.mayForget ? `${STAGE_SETTINGS} ${FORGETFUL_SETTING}` : STAGE_SETTINGS;
    const connection = new StageConnection(this.#hosts, settings, patienceMs);
    this.#stages.push(connection);
    return connection;
  }

  async stop(): Promise<void> {
    await this.#hosts.stop();
    await Promise.all(this.#stages.map((stage) => stage.stop()));
    const pool = this.#pool;
    this.#pool = undefined;
    this.#poolHost = undefined;
    await Promise.all([...this.#retired].map((retired) => this.#end(retired)));
    await pool?.end().catch(() => {});
  }

  #writablePool(): Promise<pg.Pool> {
    this.#poolHost ??= this.#openPool().catch(async (error: unknown) => {
      await new Promise((resolve) => setTimeout(resolve, RECONNECT_PAUSE_MS));
      this.#poolHost = undefined;
      throw error;
    });
    return this.#poolHost;
  }

  async #openPool(): Promise<pg.Pool> {
    const probe = await this.#hosts.connect({});
    // Its goodbye is not waited for: where the line falls silent right now it is never answered.
    probe.end().catch(() => {});
    const pool = new pg.Pool({
      connectionString: await this.#hosts.current(),
      max: POOL_CONNECTIONS,
      connectionTimeoutMillis: CONNECT_TIMEOUT_MS,
      keepAlive: true,
      query_timeout: this.#queryTimeoutMs,
      statement_timeout: POOL_STATEMENT_TIMEOUT_MS,
      allowExitOnIdle: true,
      types: TYPES,
    });
    // An idle connection broke: the server may be another one's standby when it is back.
    pool.on('error', () => this.#forgetPool(pool));
    pool.on('connect', (client) => this.#pooled.add(client));
    pool.on('remove', (client) => this.#pooled.delete(client));
    this.#pool = pool;
    return pool;
  }

  #forgetPool(pool: pg.Pool): void {
    if (this.#pool !== pool) return;
    this.#pool = undefined;
    this.#poolHost = undefined;
    // A pool that is ending serves none of those waiting in it: they would all wait until they time out.
    this.#retired.add(pool);
    const ending = setTimeout(() => void this.#end(pool), CONNECT_TIMEOUT_MS);
    ending.unref();
  }

  async #end(pool: pg.Pool): Promise<void> {
    if (this.#retired.delete(pool)) await pool.end().catch(() => {});
  }
}
