/**
 * A node's right to act: a row with an epoch and a deadline by the database's clock. Claims and link slots
 * belong to the epoch. Past its own monotonic deadline a node has no epoch and may touch no socket; another
 * node takes over what the dead epoch held.
 */
import type { FollowingClock } from '../base/clock.ts';
import type { Database, Queryable, StageConnection, Statement } from './database.ts';

const RENEW_EVERY_MS = 2_000;
/** Pause after a renewal that failed. Once the database is back, the links wait for nothing but the next one. */
const RETRY_AFTER_MS = 250;
/** Short enough to replace a connection that vanished without a word twice before the lease runs out. */
const RENEW_PATIENCE_MS = 2_500;
const LEASE_MS = 8_000;
/** Stop this much before the database's deadline: clocks drift, and a statement may be under way. */
const SAFETY_MS = 500;

export interface EpochHolder {
  /** This node's epoch; undefined once its lease ran out. */
  epoch(): number | undefined;
}

const DATABASE_NOW = `clock_timestamp() + (SELECT offset_ms FROM clock_shift) * interval '1 millisecond'`;

const READ_CLOCK: Statement = {
  name: 'read-clock',
  text: `SELECT (extract(epoch FROM ${DATABASE_NOW}) * 1000)::float8 AS now_ms`,
};

// Leases are measured by the real clock: moving the platform's time in a test must not kill a node.
const TAKE_LEASE: Statement = {
  name: 'take-lease',
  text: `INSERT INTO nodes (name, started_at, deadline)
         VALUES ($1, clock_timestamp(), clock_timestamp() + $2 * interval '1 millisecond') RETURNING epoch`,
};

const RENEW_LEASE: Statement = {
  name: 'renew-lease',
  text: `UPDATE nodes SET deadline = clock_timestamp() + $2 * interval '1 millisecond'
         WHERE epoch = $1 AND deadline > clock_timestamp() RETURNING epoch`,
};

const EXPIRE_LEASES: Statement = {
  name: 'expire-leases',
  text: `UPDATE nodes SET deadline = clock_timestamp() - interval '1 second'
         WHERE deadline > clock_timestamp() AND (epoch = $1 OR name = $2)`,
};

const FORGET_EPOCH: Statement = { name: 'forget-epoch', text: 'DELETE FROM nodes WHERE epoch = $1' };

/** SQL for the epoch of new claims: null once its lease has run out. */
export const LIVING_EPOCH = (epoch: string) =>
  `(SELECT epoch FROM nodes WHERE epoch = ${epoch}::int AND deadline > clock_timestamp())`;

const DEAD_EPOCHS: Statement = {
  name: 'dead-epochs',
  text: 'SELECT epoch FROM nodes WHERE deadline < clock_timestamp() ORDER BY epoch',
};

/** Epochs whose deadline has passed and whose claims nobody has taken over yet. */
export async function deadEpochs(db: Queryable): Promise<number[]> {
  return (await db.query<{ epoch: number }>(DEAD_EPOCHS, [])).map((row) => row.epoch);
}

// A claim that was held up in the middle can be committed after its epoch was taken over and forgotten.
const FORGOTTEN_EPOCHS: Statement = {
  name: 'forgotten-epochs',
  text: `SELECT DISTINCT claimed_by AS epoch
         FROM (SELECT claimed_by FROM queue UNION ALL SELECT claimed_by FROM outbox) AS claims
         WHERE claimed_by IS NOT NULL AND NOT EXISTS (SELECT FROM nodes WHERE epoch = claimed_by)`,
};

/** Epochs that hold claims although nothing else is known of them. Reads the whole queue: ask rarely. */
export async function forgottenEpochs(db: Queryable): Promise<number[]> {
  return (await db.query<{ epoch: number }>(FORGOTTEN_EPOCHS, [])).map((row) => row.epoch);
}

/** Forgets an epoch that holds nothing any more. */
export async function forgetEpoch(db: Queryable, epoch: number): Promise<void> {
  await db.query(FORGET_EPOCH, [epoch]);
}

export class NodeLease implements EpochHolder {
  /** A connection of its own, since a renewal must not wait behind look-ups. */
  readonly #connection: StageConnection;
  readonly #clock: FollowingClock;
  readonly #name: string;
  readonly #alone: boolean;
  readonly #onLost: () => void;
  #epoch: number | undefined;
  #deadlineMs = 0;
  #timer: NodeJS.Timeout | undefined;
  #retry: NodeJS.Timeout | undefined;
  #renewing: Promise<void> | undefined;
  #stopped = false;

  /** `alone`: no other process can run under this name, so an earlier one that left a lease behind is dead. */
  constructor(options: {
    database: Database;
    clock: FollowingClock;
    name: string;
    alone?: boolean;
    onLost?: () => void;
  }) {
    this.#connection = options.database.stage({ queryTimeoutMs: RENEW_PATIENCE_MS });
    this.#clock = options.clock;
    this.#name = options.name;
    this.#alone = options.alone ?? false;
    this.#onLost = options.onLost ?? (() => {});
  }

  epoch(): number | undefined {
    if (this.#epoch === undefined) return undefined;
    if (performance.now() < this.#deadlineMs) return this.#epoch;
    this.#lose();
    return undefined;
  }

  async start(): Promise<void> {
    if (this.#alone) await this.#connection.query(EXPIRE_LEASES, [null, this.#name]);
    await this.#renew();
    this.#timer = setInterval(() => {
      this.epoch();
      this.#renewOnce();
    }, RENEW_EVERY_MS);
  }

  /** Gives the lease back; call it when everything the epoch held is released. */
  async stop(): Promise<void> {
    this.#stopped = true;
    clearInterval(this.#timer);
    clearTimeout(this.#retry);
    await this.#renewing;
    const epoch = this.#epoch;
    this.#epoch = undefined;
    // The row stays until somebody has looked for claims that could not be released.
    if (epoch !== undefined) await this.#connection.query(EXPIRE_LEASES, [epoch, null]).catch(() => {});
    await this.#connection.stop();
  }

  /** One at a time. If it is not certain after a renewal that the lease is held, the next follows soon. */
  #renewOnce(): void {
    this.#renewing ??= this.#renew()
      .catch(() => false)
      .then((isHeld) => {
        this.#renewing = undefined;
        clearTimeout(this.#retry);
        if (!isHeld && !this.#stopped) this.#retry = setTimeout(() => this.#renewOnce(), RETRY_AFTER_MS);
      });
  }

  /** Renews the lease or takes one; true if the database has just confirmed that this node holds it. */
  async #renew(): Promise<boolean> {
    const askedMs = performance.now();
    const [clock] = await this.#connection.query<{ now_ms: number }>(READ_CLOCK, []);
    if (clock) this.#clock.follow(clock.now_ms, performance.now() - askedMs);
    const startedMs = performance.now();
    const held = this.epoch();
    const rows = await (held === undefined
      ? this.#connection.query<{ epoch: number }>(TAKE_LEASE, [this.#name, LEASE_MS])
      : this.#connection.query<{ epoch: number }>(RENEW_LEASE, [held, LEASE_MS]));
    const epoch = rows[0]?.epoch;
    const isNew = held === undefined;
    if (this.#stopped && isNew && epoch !== undefined) await forgetEpoch(this.#connection, epoch);
    if (this.#stopped) return false;
    // An answer that comes after the local deadline comes too late: what the epoch held was dropped meanwhile.
    if (!isNew && this.epoch() !== held) {
      await this.#connection.query(EXPIRE_LEASES, [held, null]);
      return false;
    }
    if (epoch === undefined) {
      this.#lose();
      return false;
    }
    this.#epoch = epoch;
    this.#deadlineMs = startedMs + LEASE_MS - SAFETY_MS;
    return true;
  }

  #lose(): void {
    if (this.#epoch === undefined) return;
    this.#epoch = undefined;
    this.#onLost();
  }
}
