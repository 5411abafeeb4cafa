/**
 * The delivery of callbacks on a database of its own, with customers' servers, for the tests of one file: registers what
 * empties the outbox before each test and ends everything after it.
 */
import type { ServerResponse } from 'node:http';
import { after, afterEach, before, beforeEach } from 'node:test';
import { ManualClock } from '../../src/base/clock.ts';
import { createLogger } from '../../src/base/log.ts';
import { CallbackDelivery, type CallbackDeliveryOptions } from '../../src/callback/deliver.ts';
import { AddressRules } from '../../src/outgoing/address-rules.ts';
import { OutgoingClient } from '../../src/outgoing/client.ts';
import { Database } from '../../src/store/database.ts';
import { makePartitions } from '../../src/store/partitions.ts';
import { type CustomerAnswer, startCustomerServer } from './customer-server.ts';
import { createTestDatabase, type TestDatabase } from './database.ts';

/** What the clock shows when a test begins. */
export const NOW_MS = Date.UTC(2026, 0, 1);
/** Of the first callback owed. */
export const FIRST_MSGID = 100_000_000;

export const ok = (response: ServerResponse) => response.end('ok');

export interface Stage {
  readonly delivery: CallbackDelivery;
  readonly lease: { current: number | undefined };
  readonly results: string[];
}

export interface RowState {
  readonly attempts: number;
  readonly parked: boolean;
  readonly given_up: boolean;
  readonly claimed_by: number | null;
  readonly next_ms: number;
  readonly host: string;
}

/** Call it once, at the top of a test file. */
export function useCallbackStages() {
  let testDatabase: TestDatabase;
  let database: Database;
  let clock: ManualClock;
  const closing: (() => unknown)[] = [];

  before(async () => {
    testDatabase = await createTestDatabase();
    database = new Database(testDatabase.url);
    await makePartitions(database);
  });

  beforeEach(async () => {
    clock = new ManualClock(NOW_MS);
    await database.query({ name: 'test-empty', text: 'TRUNCATE outbox, message_events RESTART IDENTITY' }, []);
  });

  afterEach(async () => {
    for (const close of closing.splice(0).reverse()) await close();
  });

  after(async () => {
    await database.stop();
    await testDatabase.drop();
  });

  /** A customer's server that ends with the test; `answer` undefined keeps every request waiting. */
  async function customer(answer?: CustomerAnswer) {
    const server = await startCustomerServer(answer);
    closing.push(() => server.stop());
    return server;
  }

  function stage(options: Partial<CallbackDeliveryOptions> & { epoch?: number } = {}): Stage {
    const client = new OutgoingClient({
      rules: new AddressRules({ allow: ['127.0.0.0/8'], platformListeners: () => [] }),
    });
    const lease = { current: options.epoch ?? (1 as number | undefined) };
    const results: string[] = [];
    const delivery = new CallbackDelivery({
      database,
      client,
      clock,
      lease: { epoch: () => lease.current },
      log: createLogger({ level: 'silent' }),
      concurrency: 16,
      concurrencyPerHost: 8,
      metrics: { attempted: (result) => results.push(result) },
      ...options,
    });
    closing.push(async () => {
      await Promise.all([delivery.stop(), client.stop()]);
    });
    delivery.start();
    return { delivery, lease, results };
  }

  async function owe(url: string, callbacks: number): Promise<void> {
    await database.query(
      {
        name: 'test-owe',
        text: `INSERT INTO outbox (kind, account_id, msgid, url, host, mobile, state, done_at, created_at, next_at, give_up_at)
          SELECT 'receipt', 1, $3 + (SELECT count(*) FROM outbox) + n, $1, substring($1 FROM '//([^/]+)'), '886911222333',
            'DELIVRD', t, t, t, t + interval '24 hours'
          FROM generate_series(0, $4 - 1) n, to_timestamp($2::float8 / 1000) t`,
      },
      [url, clock.now(), FIRST_MSGID, callbacks],
    );
  }

  function rows(): Promise<RowState[]> {
    return database.query(
      {
        name: 'test-rows',
        text: `SELECT attempts, parked, given_up, claimed_by, (extract(epoch FROM next_at) * 1000)::float8 AS next_ms, host
          FROM outbox ORDER BY callback_id`,
      },
      [],
    );
  }

  function events(): Promise<{ msgid: number; status: number | null; detail: string | null }[]> {
    return database.query(
      {
        name: 'test-events',
        text: `SELECT msgid::float8 AS msgid, status, detail FROM message_events WHERE kind = 'callback' ORDER BY msgid, at`,
      },
      [],
    );
  }

  /** Looks until the rows are as they should be; the test's time-out bounds it. */
  async function rowsBecome(wanted: (rows: readonly RowState[]) => boolean): Promise<readonly RowState[]> {
    for (;;) {
      const found = await rows();
      if (wanted(found)) return found;
    }
  }

  return {
    customer,
    stage,
    owe,
    rows,
    events,
    rowsBecome,
    /** Called when the test is over, the last first. */
    closing,
    database: () => database,
    clock: () => clock,
  };
}
