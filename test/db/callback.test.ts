import assert from 'node:assert/strict';
import type { ServerResponse } from 'node:http';
import { describe, test } from 'node:test';
import { releaseCallbacksOf } from '../../src/store/outbox.ts';
import { replayCallback } from '../../src/store/outbox-admin.ts';
import { FIRST_MSGID, NOW_MS, ok, useCallbackStages } from '../harness/callback-stages.ts';

const HOUR_MS = 3_600_000;
/** By then the pauses have reached an hour. */
const ATTEMPTS_FOLLOWED = 12;

const { clock, closing, customer, database, events, owe, rows, rowsBecome, stage } = useCallbackStages();
const refuse = (response: ServerResponse) => response.writeHead(500).end();

describe('delivering callbacks', () => {
  test("the customer's server is asked with smsresp, and 200 ends the callback", async () => {
    const server = await customer(ok);
    await owe(`${server.url}?id=7#x`, 1);
    const { results } = stage();
    await rowsBecome((found) => found.length === 0);
    const [request] = server.requests;
    const query = new URL(request ?? '', 'http://x').searchParams;
    assert.deepEqual([...query.keys()], ['id', 'smsresp']);
    assert.deepEqual(JSON.parse(query.get('smsresp') ?? ''), {
      code: '00000',
      text: 'Success',
      msgid: String(FIRST_MSGID),
      mobile: '0911222333',
      statuscode: '0',
      statustext: 'DELIVRD',
      downtime: '20260101080000',
      donetime: '20260101080000',
    });
    assert.deepEqual(results, ['ok']);
    assert.deepEqual(await events(), [{ msgid: FIRST_MSGID, status: 200, detail: null }]);
  });

  test('an incoming message is pushed as moresp', async () => {
    const server = await customer(ok);
    await database().query(
      {
        name: 'test-incoming',
        text: `INSERT INTO outbox (kind, account_id, url, host, payload, created_at, next_at, give_up_at)
          SELECT 'incoming', 1, $1, 'x', $2, t, t, t + interval '1 day' FROM to_timestamp($3::float8 / 1000) t`,
      },
      [server.url, '{"seq":"1"}', NOW_MS],
    );
    stage();
    await rowsBecome((found) => found.length === 0);
    assert.deepEqual(server.requests, ['/r?moresp=%7B%22seq%22%3A%221%22%7D']);
    assert.deepEqual(await events(), []);
  });

  test('all of many callbacks go out once each, never more at once than a host may have', async () => {
    const server = await customer((response) => setImmediate(ok, response));
    await owe(server.url, 2_000);
    stage();
    await rowsBecome((found) => found.length === 0);
    assert.equal(new Set(server.requests).size, 2_000);
    assert.equal(server.requests.length, 2_000);
    assert.ok(server.state.most > 1 && server.state.most <= 8, `${server.state.most} at once`);
    assert.equal((await events()).length, 2_000);
  });

  test('all hosts together never have more at once than the whole stage may', async () => {
    const servers = await Promise.all([customer(), customer(), customer()]);
    for (const server of servers) await owe(server.url, 4);
    stage({ concurrency: 8, concurrencyPerHost: 4 });
    // None has proven itself, so they share the half of the places, in turn.
    await Promise.all([servers[0]?.asked(2), servers[1]?.asked(1), servers[2]?.asked(1)]);
    const answer = setInterval(() => {
      for (const server of servers) server.held.shift()?.end();
    }, 1);
    await rowsBecome((found) => found.length === 0);
    clearInterval(answer);
    for (const server of servers) assert.ok(server.state.most <= 4);
  });

  test('a host that never answers, with hundreds of callbacks, does not delay another', async () => {
    const silent = await customer();
    const quick = await customer(ok);
    await owe(silent.url, 600);
    const { delivery } = stage();
    await silent.asked(4);
    await owe(quick.url, 300);
    delivery.wake();
    const left = await rowsBecome((found) => found.every((row) => row.host !== new URL(quick.url).host));
    assert.equal(quick.requests.length, 300);
    assert.equal(left.length, 600);
    assert.equal(silent.requests.length, 4);
    assert.ok(left.filter((row) => row.parked && row.claimed_by === null).length > 400);
  });

  test('parked callbacks of a host go out as it answers', async () => {
    const server = await customer();
    await owe(server.url, 600);
    stage();
    await server.asked(4);
    const answer = setInterval(() => {
      for (const response of server.held.splice(0)) response.end();
    }, 1);
    await rowsBecome((found) => found.length === 0);
    clearInterval(answer);
    assert.equal(new Set(server.requests).size, 600);
  });

  test('a redirect is a failure and is not followed', async () => {
    const target = await customer(ok);
    const server = await customer((response) => response.writeHead(302, { location: target.url }).end());
    await owe(server.url, 1);
    stage();
    const [row] = await rowsBecome((found) => found[0]?.attempts === 1);
    assert.equal(row?.parked, true);
    assert.deepEqual(target.requests, []);
    assert.deepEqual(await events(), [{ msgid: FIRST_MSGID, status: 302, detail: 'answered 302' }]);
  });

  test('an address that may not be contacted is refused, told, and tried again later', async () => {
    await owe('http://10.0.0.1/r', 1);
    const { results } = stage();
    const [row] = await rowsBecome((found) => found[0]?.attempts === 1);
    assert.equal(row?.given_up, false);
    assert.deepEqual(results, ['refused']);
    assert.deepEqual(await events(), [
      { msgid: FIRST_MSGID, status: null, detail: 'this address may not be contacted' },
    ]);
  });

  test('a callback whose message is long gone from the partitions still ends', async () => {
    const server = await customer(ok);
    await owe(server.url, 3);
    await database().query({ name: 'test-old', text: 'UPDATE outbox SET msgid = 7 WHERE callback_id = 2' }, []);
    stage();
    await rowsBecome((found) => found.length === 0);
    assert.deepEqual(
      (await events()).map((event) => event.msgid),
      [FIRST_MSGID, FIRST_MSGID + 2],
    );
  });
});

describe('trying again', () => {
  test('pauses grow from seconds to an hour, and after 24 hours the callback is given up but can be sent again', async () => {
    let answer = refuse;
    const server = await customer((response) => answer(response));
    await owe(server.url, 1);
    stage();
    const pausesMs: number[] = [];
    for (let attempts = 1; ; attempts += 1) {
      const [row] = await rowsBecome((found) => found[0]?.attempts === attempts && found[0].claimed_by === null);
      assert.ok(row);
      if (row.given_up) break;
      pausesMs.push(row.next_ms - clock().now());
      const untilMs = pausesMs.length < ATTEMPTS_FOLLOWED ? row.next_ms : NOW_MS + 24 * HOUR_MS;
      clock().advance(untilMs - clock().now());
    }
    assert.equal(clock().now(), NOW_MS + 24 * HOUR_MS);
    const expectedMs = (attempt: number) => Math.min(HOUR_MS, 5_000 * 2 ** attempt);
    for (const [attempt, pauseMs] of pausesMs.entries()) {
      const most = expectedMs(attempt);
      assert.ok(pauseMs <= most && pauseMs >= most * 0.69, `pause ${attempt}: ${pauseMs} ms`);
    }
    assert.equal(server.requests.length, pausesMs.length + 1);
    assert.equal((await events()).at(-1)?.detail, 'answered 500; given up');

    answer = ok;
    clock().advance(48 * HOUR_MS);
    assert.equal((await replayCallback(database(), { msgid: FIRST_MSGID }, clock().now())).kind, 'queued');
    await rowsBecome((found) => found.length === 0);
    assert.equal((await events()).at(-1)?.status, 200);
  });

  test('what a host that is down was owed for 24 hours is given up without asking it again for each', async () => {
    const gone = await customer(ok);
    const [close] = closing.splice(0);
    await close?.();
    await owe(gone.url, 20);
    stage();
    await rowsBecome((found) => found.every((row) => row.attempts === 1 && row.claimed_by === null));
    clock().advance(25 * HOUR_MS);
    await rowsBecome((found) => found.every((row) => row.given_up));
    const told = (await events()).filter((event) => event.detail?.startsWith('not tried'));
    assert.ok(told.length > 10, `${told.length} not tried`);
  });
});

describe('a stage that ends', () => {
  test('killed in the middle, its claims are freed and another node delivers them', async () => {
    const server = await customer();
    await owe(server.url, 100);
    const first = stage();
    await server.asked(4);
    first.lease.current = undefined;
    await releaseCallbacksOf(database(), 1);
    stage({ epoch: 2 });
    await server.asked(8);
    const answer = setInterval(() => {
      for (const response of server.held.splice(0)) response.end();
    }, 1);
    await rowsBecome((found) => found.length === 0);
    clearInterval(answer);
    assert.equal((await events()).length, 100);
    assert.equal(new Set(server.requests).size, 100);
    assert.ok(server.requests.length <= 104);
  });

  test('without a lease nothing is claimed and nobody is asked', async () => {
    const server = await customer(ok);
    await owe(server.url, 1);
    const { lease, delivery } = stage();
    await rowsBecome((found) => found.length === 0);
    lease.current = undefined;
    await owe(server.url, 1);
    delivery.wake();
    await delivery.stop();
    assert.equal(server.requests.length, 1);
    assert.deepEqual(
      (await rows()).map((row) => row.claimed_by),
      [null],
    );
  });

  test('stopped, it lets attempts under way end and gives the rest back', async () => {
    const server = await customer();
    await owe(server.url, 50);
    const { delivery } = stage();
    await server.asked(4);
    const stopping = delivery.stop();
    for (const response of server.held) response.end();
    await stopping;
    const left = await rows();
    assert.equal(left.length, 46);
    assert.ok(left.every((row) => row.claimed_by === null));
    assert.equal((await events()).length, 4);
  });

  test('connections to the database cut again and again lose no callback and leave none claimed', async () => {
    const server = await customer(ok);
    await owe(server.url, 3_000);
    stage();
    for (let cuts = 0; cuts < 5; cuts += 1) {
      await server.asked(cuts * 500 + 1);
      await database().query(
        {
          name: 'test-cut',
          text: `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND query ~ 'outbox'
            AND datname = current_database()`,
        },
        [],
      );
    }
    await rowsBecome((found) => found.length === 0);
    assert.equal(new Set(server.requests).size, 3_000);
  });
});
