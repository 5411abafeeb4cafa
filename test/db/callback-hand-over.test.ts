import assert from 'node:assert/strict';
import type { ServerResponse } from 'node:http';
import { after, afterEach, before, beforeEach, test } from 'node:test';
import { ManualClock } from '../../src/base/clock.ts';
import { createLogger } from '../../src/base/log.ts';
import { CallbackDelivery, type CallbackDeliveryOptions } from '../../src/callback/deliver.ts';
import { AddressRules } from '../../src/outgoing/address-rules.ts';
import { OutgoingClient } from '../../src/outgoing/client.ts';
import { Database } from '../../src/store/database.ts';
import { type CallbackHolder, claimOpen, type ReceiptCallback, releaseCallbacksOf } from '../../src/store/outbox.ts';
import { makePartitions } from '../../src/store/partitions.ts';
import { type CustomerAnswer, startCustomerServer } from '../harness/customer-server.ts';
import { createTestDatabase, type TestDatabase } from '../harness/database.ts';

const NOW_MS = Date.UTC(2026, 0, 1);
const FIRST_MSGID = 100_000_000;

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

interface Stage {
  readonly delivery: CallbackDelivery;
  readonly lease: { current: number | undefined };
  readonly results: string[];
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

interface RowState {
  readonly attempts: number;
  readonly parked: boolean;
  readonly given_up: boolean;
  readonly claimed_by: number | null;
  readonly next_ms: number;
  readonly host: string;
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

const ok = (response: ServerResponse) => response.end('ok');

/** As a settling statement does it: the callbacks are the holder's from the start. */
async function oweClaimed(holder: CallbackHolder, url: string, count: number): Promise<ReceiptCallback[]> {
  await owe(url, count);
  const { claimed } = await claimOpen(database, {
    epoch: holder.epoch,
    nowMs: clock.now(),
    limit: count,
    fullHosts: [],
  });
  return claimed.filter((callback) => callback.kind === 'receipt');
}

/** Given as soon as the stage has seen that nothing waits. */
async function holderOf(delivery: CallbackDelivery): Promise<CallbackHolder> {
  for (;;) {
    const holder = delivery.holder();
    if (holder) return holder;
    await new Promise((resolve) => setImmediate(resolve));
  }
}

test('callbacks that were claimed for the stage are delivered without a claim of its own', async () => {
  const server = await customer(ok);
  const { delivery } = stage();
  const holder = await holderOf(delivery);
  assert.equal(holder.epoch, 1);
  holder.take(await oweClaimed(holder, server.url, 20));
  await rowsBecome((found) => found.length === 0);
  assert.equal(server.requests.length, 20);
  assert.equal((await events()).length, 20);
});

test('what was claimed for the stage by a statement whose answer was lost is found, and delivered once', async () => {
  const server = await customer(ok);
  const { delivery } = stage();
  const [lost, other] = [await holderOf(delivery), await holderOf(delivery)];
  await oweClaimed(lost, server.url, 5);
  const handed = await oweClaimed(other, server.url, 5);
  lost.lost();
  assert.equal(delivery.holder(), undefined, 'none while strays are to be looked for');
  other.take(handed);
  delivery.wake();
  await rowsBecome((found) => found.length === 0);
  assert.equal(new Set(server.requests).size, 10);
  assert.equal(server.requests.length, 10);
});

test('what was claimed for an epoch that has ended stays for whoever takes it over', async () => {
  const server = await customer(ok);
  const { delivery, lease } = stage();
  const holder = await holderOf(delivery);
  const claimed = await oweClaimed(holder, server.url, 3);
  lease.current = undefined;
  holder.take(claimed);
  assert.equal(delivery.holder(), undefined);
  lease.current = 2;
  // As the take-over does it, again and again: a claim under way can be committed after the first time.
  while ((await rows()).length > 0) await releaseCallbacksOf(database, 1);
  assert.equal(new Set(server.requests).size, 3);
});

test('more than a host may hold at once goes to its parked lane, and goes out too', async () => {
  const server = await customer(ok);
  const { delivery } = stage();
  const holder = await holderOf(delivery);
  holder.take(await oweClaimed(holder, server.url, 1_500));
  await rowsBecome((found) => found.length === 0);
  assert.equal(new Set(server.requests).size, 1_500);
});
