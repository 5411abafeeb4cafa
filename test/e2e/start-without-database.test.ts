import assert from 'node:assert/strict';
import { test } from 'node:test';
import { FaultProxy } from '../faults/fault-proxy.ts';
import { createTestDatabase } from '../harness/database.ts';
import { makeDataDir, startPlatformProcess } from '../harness/platform-process.ts';
import { eventually } from '../harness/sms-node.ts';

test('a node that is started while its database is away is up when the database is back', async (t) => {
  const database = await createTestDatabase();
  const url = new URL(database.url);
  const line = new FaultProxy({ host: url.hostname, port: Number(url.port) });
  url.port = String(await line.listen());
  const dataDir = await makeDataDir();
  line.setState({ kind: 'closed' });
  const starting = startPlatformProcess({ dataDir: dataDir.path, env: { DATABASE_URL: url.href, SIMULATOR: 'off' } });
  t.after(async () => {
    line.setState({ kind: 'open' });
    await (await starting).end('SIGTERM');
    await line.stop();
    await dataDir.remove();
    await database.drop();
  });
  await eventually('a second attempt', async () => (line.met > 1 ? true : undefined));
  line.setState({ kind: 'open' });
  const platform = await starting;
  assert.match(platform.output(), /the start waits for it/);
  assert.equal((await fetch(`${platform.http}/readyz`)).status, 200);
});
