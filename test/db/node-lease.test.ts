import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { FollowingClock } from '../../src/base/clock.ts';
import { Database } from '../../src/store/database.ts';
import { NodeLease } from '../../src/store/node-lease.ts';
import { makePartitions } from '../../src/store/partitions.ts';
import { createTestDatabase, type TestDatabase } from '../harness/database.ts';
import { eventually } from '../harness/sms-node.ts';

let testDatabase: TestDatabase;
let database: Database;
before(async () => {
  testDatabase = await createTestDatabase();
  database = new Database(testDatabase.url);
});
after(async () => {
  await database.stop();
  await testDatabase.drop();
});

test('a node whose epoch was declared dead drops everything and goes on under a new epoch', async () => {
  let lost = 0;
  const lease = new NodeLease({
    database,
    clock: new FollowingClock(),
    name: 'one',
    onLost: () => {
      lost += 1;
    },
  });
  await lease.start();
  const first = lease.epoch();
  assert.ok(first !== undefined);
  await database.query(
    { name: 'test-kill', text: "UPDATE nodes SET deadline = clock_timestamp() - interval '1 second'" },
    [],
  );
  const second = await eventually('a new epoch', async () => {
    const epoch = lease.epoch();
    return epoch === undefined || epoch === first ? undefined : epoch;
  });
  assert.ok(second > first);
  assert.equal(lost, 1);
  await lease.stop();
  assert.equal(lease.epoch(), undefined);
});

test('a process that cannot run twice takes the lease of its dead predecessor away at once', async () => {
  const options = { database, clock: new FollowingClock(), name: 'alone' };
  const dead = new NodeLease(options);
  await dead.start();
  const next = new NodeLease({ ...options, alone: true });
  await next.start();
  const live = await database.query(
    { name: 'test-live', text: "SELECT epoch FROM nodes WHERE name = 'alone' AND deadline > clock_timestamp()" },
    [],
  );
  assert.equal(live.length, 1);
  await next.stop();
  await dead.stop();
});

test('nodes that start together make the partitions once', async () => {
  await Promise.all(Array.from({ length: 4 }, () => makePartitions(database)));
  const partitions = await database.query(
    { name: 'test-partitions', text: "SELECT 1 FROM pg_inherits WHERE inhparent = 'messages'::regclass" },
    [],
  );
  assert.equal(partitions.length, 4);
});
