import assert from 'node:assert/strict';
import { after, before, test, type TestContext } from 'node:test';
import { FollowingClock } from '../../src/base/clock.ts';
import { Database } from '../../src/store/database.ts';
import { NodeLease } from '../../src/store/node-lease.ts';
import { makePartitions } from '../../src/store/partitions.ts';
import { FaultProxy, type Splice, type SplicedLine } from '../faults/fault-proxy.ts';
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

test('a lease whose renewals failed is renewed as soon as the database is back', async (t) => {
  const { proxy, database: behind } = await behindProxy(t);
  const lease = new NodeLease({ database: behind, clock: new FollowingClock(), name: 'away' });
  await lease.start();
  t.after(() => lease.stop());
  const first = await deadlineOf('away');
  proxy.setState({ kind: 'closed' });
  const { met } = proxy;
  await eventually('a renewal that is refused', async () => (proxy.met > met ? true : undefined));
  proxy.setState({ kind: 'open' });
  const backMs = performance.now();
  await eventually('a renewal', async () => ((await deadlineOf('away')) > first ? true : undefined));
  const took = performance.now() - backMs;
  assert.ok(took < 1_000, `${took} ms`);
});

test('a node keeps its lease when the connection that renews it vanishes without a word', async (t) => {
  const vanished = new Set<SplicedLine>();
  const lines: SplicedLine[] = [];
  const { database: behind } = await behindProxy(t, (line) => {
    lines.push(line);
    return {
      fromClient: (bytes) => (vanished.has(line) ? undefined : line.toServer(bytes)),
      fromServer: (bytes) => (vanished.has(line) ? undefined : line.toClient(bytes)),
    };
  });
  let lost = 0;
  const onLost = (): void => {
    lost += 1;
  };
  const lease = new NodeLease({ database: behind, clock: new FollowingClock(), name: 'cut off', onLost });
  await lease.start();
  t.after(() => lease.stop());
  const [first, epoch] = [await deadlineOf('cut off'), lease.epoch()];
  for (const line of lines) vanished.add(line);
  await eventually('a renewal', async () => (lost > 0 || (await deadlineOf('cut off')) > first ? true : undefined));
  assert.equal(lost, 0);
  assert.equal(lease.epoch(), epoch);
});

/** Seconds, of the newest lease of this name. */
async function deadlineOf(name: string): Promise<number> {
  const text = 'SELECT max(extract(epoch FROM deadline))::float8 AS at FROM nodes WHERE name = $1';
  return (await database.query<{ at: number }>({ name: 'test-deadline', text }, [name]))[0]?.at ?? 0;
}

async function behindProxy(
  t: TestContext,
  splice?: (line: SplicedLine) => Splice,
): Promise<{ proxy: FaultProxy; database: Database }> {
  const url = new URL(testDatabase.url);
  const proxy = new FaultProxy({ host: url.hostname, port: Number(url.port) }, splice);
  url.port = String(await proxy.listen());
  const behind = new Database(url.href);
  t.after(async () => {
    await proxy.stop();
    await behind.stop();
  });
  return { proxy, database: behind };
}
