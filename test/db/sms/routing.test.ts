import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import { parseOperatorSettings } from '../../../src/domain/operator-settings.ts';
import { addOperator } from '../../../src/store/operators.ts';
import { eventually, type SmsNode, startSmsNode } from '../../harness/sms-node.ts';

const BACKLOG = 20_000;
const WATCHED_MS = 4_000;
/** Eight rounds and one that was told late, of 2,500 rows; from end to end it would be a multiple. */
const MOST_READ = 25_000;

test('what waits for an operator whose links are down goes out through the next one', async () => {
  const node = await startSmsNode({ operatorSettings: { priority: 200 } });
  try {
    const parsed = parseOperatorSettings({ host: '127.0.0.1', port: 1, systemId: 'x', password: 'x', priority: 1 });
    assert.ok(parsed.ok);
    const down = await addOperator(node.database, { name: 'down', enabled: true, settings: parsed.settings });
    assert.equal(down.kind, 'added');
    // It waits for the preferred operator from before that one was known to be down.
    await node.rows(
      `INSERT INTO messages (msgid, account_id, accepted_at, due_at, expires_at, scheduled, mobile, body, segments, points)
       VALUES (100000777, ${node.accountId}, now(), now(), now() + interval '1 hour', false, '886911222333', 'moved', 1, 1)`,
    );
    await node.rows(
      `INSERT INTO queue (msgid, operator_id, rank, account_id, mobile, body, segments, accepted_at, expires_at)
       SELECT 100000777, operator_id, 1, ${node.accountId}, '886911222333', 'moved', 1, now(), now() + interval '1 hour'
       FROM operators WHERE name = 'down'`,
    );
    assert.equal(await node.finalState(100_000_777, '0911222333'), 'DELIVRD');
    assert.ok((await node.events(100_000_777)).some((event) => event.kind === 'rerouted'));
    const direct = await node.sendAccepted('0911222333', 'straight to the one that is up');
    assert.equal(await node.finalState(direct, '0911222333'), 'DELIVRD');
  } finally {
    await node.stop();
  }
});

test('the longest prefix and then the lowest priority among the operators that are up carry a message', async () => {
  const node = await startSmsNode({ operatorSettings: { priority: 50 } });
  const add = async (name: string, prefixes: string[], priority: number): Promise<void> => {
    const parsed = parseOperatorSettings({
      host: '127.0.0.1',
      port: node.simulatorPort,
      systemId: 'feige',
      password: 'simulate',
      prefixes,
      priority,
    });
    assert.ok(parsed.ok);
    assert.equal((await addOperator(node.database, { name, enabled: true, settings: parsed.settings })).kind, 'added');
  };
  try {
    await add('preferred', [''], 10);
    await add('mobile', ['8869112'], 900);
    const linkOf = async (mobile: string): Promise<string> => {
      const msgid = await node.sendAccepted(mobile, 'which way?');
      const sent = await eventually('the submit', async () => {
        const [row] = await node.rows<{ link: string }>(
          "SELECT link FROM message_events WHERE kind = 'submitted' AND msgid = $1",
          [msgid],
        );
        return row;
      });
      return sent.link;
    };
    await eventually('all links', async () =>
      (await node.rows('SELECT 1 FROM link_slots WHERE bound')).length === 3 ? true : undefined,
    );
    await node.pipeline.directory.refresh();
    assert.equal(await linkOf('0911222333'), 'mobile/0');
    assert.equal(await linkOf('0922333444'), 'preferred/0');
    await node.rows("UPDATE operators SET enabled = false, version = version + 1 WHERE name = 'preferred'");
    await node.pipeline.directory.refresh();
    assert.equal(await linkOf('0922333444'), 'simulator/0');
  } finally {
    await node.stop();
  }
});

test('a backlog that no other operator takes is gone through bit by bit, to its end', async () => {
  const node = await startSmsNode({ operatorSettings: { prefixes: ['886'] } });
  try {
    const settings = {
      host: '127.0.0.1',
      port: 1,
      systemId: 'x',
      password: 'x',
      prefixes: ['852', '8869'],
      priority: 1,
    };
    const parsed = parseOperatorSettings(settings);
    assert.ok(parsed.ok);
    const down = await addOperator(node.database, { name: 'down', enabled: true, settings: parsed.settings });
    assert.equal(down.kind, 'added');
    await node.rows(
      `INSERT INTO queue (msgid, operator_id, rank, account_id, mobile, body, segments, accepted_at, expires_at)
       SELECT 100100000 + n, operator_id, n, ${node.accountId}, CASE n WHEN ${BACKLOG} THEN '886911222333' ELSE '85291234567' END,
              'x', 1, now(), now() + interval '1 hour'
       FROM operators CROSS JOIN generate_series(1, ${BACKLOG}) AS n WHERE name = 'down'`,
    );
    await eventually('the last one, which another operator takes', async () =>
      (await node.rows(`SELECT FROM queue WHERE msgid = 100100000 + ${BACKLOG}`)).length === 0 ? true : undefined,
    );
    const before = await rowsRead(node);
    await pause(WATCHED_MS);
    const read = (await rowsRead(node)) - before;
    assert.ok(read < MOST_READ, `${read} rows were read`);
  } finally {
    await node.stop();
  }
});

/** Rows of the queue that were read in the order in which they go out; told a second late. */
async function rowsRead(node: SmsNode): Promise<number> {
  const [row] = await node.rows<{ read: number }>(
    "SELECT idx_tup_read::int AS read FROM pg_stat_user_indexes WHERE indexrelname = 'queue_order'",
  );
  return row?.read ?? 0;
}
