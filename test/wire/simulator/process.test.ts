import assert from 'node:assert/strict';
import { once } from 'node:events';
import { type IncomingMessage, request } from 'node:http';
import { type TestContext, test } from 'node:test';
import { FollowingClock } from '../../../src/base/clock.ts';
import { createLogger } from '../../../src/base/log.ts';
import { runSimulator } from '../../../src/simulator/process.ts';
import { FakePlatform } from './fake-platform.ts';

async function start(t: TestContext) {
  const simulator = await runSimulator({
    host: '127.0.0.1',
    port: 0,
    httpPort: 0,
    dataDir: undefined,
    clock: new FollowingClock(),
    log: createLogger({ level: 'silent' }),
  });
  const platform = await FakePlatform.bind({ port: simulator.smppPort });
  t.after(async () => {
    platform.destroy();
    await simulator.stop();
  });
  const call = async (method: string, path: string, body?: string): Promise<{ status: number; json: unknown }> => {
    const url = `http://127.0.0.1:${simulator.httpPort}${path}`;
    const answer = await fetch(url, body === undefined ? { method } : { method, body });
    const text = await answer.text();
    return { status: answer.status, json: text === '' ? undefined : JSON.parse(text) };
  };
  return { platform, call, simulator };
}

const MESSAGES = '/simulator/handsets/0911222333/messages';

test('a handset lists what it received, in every form of its number', async (t) => {
  const { platform, call } = await start(t);
  assert.deepEqual(await call('GET', MESSAGES), { status: 200, json: [] });
  await platform.accepted({ to: '886911222333' });
  for (const form of ['0911222333', '886911222333', '+886911222333', '%2B886911222333', '0911-222-333']) {
    const { status, json } = await call('GET', `/simulator/handsets/${form}/messages`);
    assert.equal(status, 200);
    const [message] = json as { text: string; segments: number; receivedAt: string; from: string }[];
    assert.deepEqual([message?.text, message?.segments, message?.from], ['hello', 1, '12345']);
    assert.match(message?.receivedAt ?? '', /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);
  }
  assert.deepEqual(await call('GET', '/simulator/handsets'), {
    status: 200,
    json: [{ number: '0911222333', messages: 1 }],
  });
});

test('a waiting GET answers when the next message comes', async (t) => {
  const { platform, call, simulator } = await start(t);
  await platform.accepted({ to: '886911222333', shortMessage: Buffer.from('old') });
  const started = performance.now();
  const waiting = call('GET', `${MESSAGES}?wait=60`);
  while (simulator.operator.handsets.waiting === 0) await new Promise((resolve) => setImmediate(resolve));
  await platform.accepted({ to: '886911222333', shortMessage: Buffer.from('new') });
  const { json } = await waiting;
  assert.deepEqual(
    (json as { text: string }[]).map(({ text }) => text),
    ['old', 'new'],
  );
  assert.ok(performance.now() - started < 30_000);
});

test('a waiting GET gives up after its time', async (t) => {
  const { call } = await start(t);
  const started = performance.now();
  assert.deepEqual(await call('GET', `${MESSAGES}?wait=0.2`), { status: 200, json: [] });
  assert.ok(performance.now() - started >= 190);
});

test('a POST replies to the platform, a DELETE empties the handset', async (t) => {
  const { platform, call } = await start(t);
  const reply = await call('POST', MESSAGES, JSON.stringify({ to: '12345', text: 'yes' }));
  assert.deepEqual(reply, { status: 202, json: { from: '0911222333', to: '12345', text: 'yes', segments: 1 } });
  await platform.until(() => platform.deliveries.length === 1);
  const [delivery] = platform.deliveries;
  assert.equal(delivery?.shortMessage.toString(), 'yes');
  await platform.accepted({ to: '886911222333' });
  assert.equal((await call('DELETE', MESSAGES)).status, 204);
  assert.deepEqual((await call('GET', MESSAGES)).json, []);
});

const WRONG: [method: string, path: string, body: string | undefined, status: number][] = [
  ['GET', '/simulator/handsets/nobody/messages', undefined, 400],
  ['GET', '/simulator/handsets/%ff/messages', undefined, 400],
  ['GET', `${MESSAGES}?wait=61`, undefined, 400],
  ['GET', `${MESSAGES}?wait=-1`, undefined, 400],
  ['GET', `${MESSAGES}?wait=soon`, undefined, 400],
  ['GET', `${MESSAGES}/1`, undefined, 404],
  ['GET', '/simulator', undefined, 404],
  ['PUT', MESSAGES, '{}', 405],
  ['POST', '/simulator/handsets', '{}', 405],
  ['POST', MESSAGES, 'no json', 400],
  ['POST', MESSAGES, 'null', 400],
  ['POST', MESSAGES, '{"to": 12345, "text": "x"}', 400],
  ['POST', MESSAGES, '{"to": "12345", "text": ""}', 400],
  ['POST', MESSAGES, JSON.stringify({ to: '12345', text: 'x'.repeat(10_000) }), 400],
  ['POST', MESSAGES, 'x'.repeat(200_000), 413],
];
for (const [method, path, body, status] of WRONG) {
  test(`${method} ${path} with ${body?.slice(0, 30)} is ${status} with its reason`, async (t) => {
    const { call } = await start(t);
    const answer = await call(method, path, body);
    assert.equal(answer.status, status);
    assert.equal(typeof (answer.json as { error: unknown }).error, 'string');
  });
}

test('stopping ends waiting requests', async (t) => {
  const { call, simulator } = await start(t);
  const waiting = call('GET', `${MESSAGES}?wait=60`);
  while (simulator.operator.handsets.waiting === 0) await new Promise((resolve) => setImmediate(resolve));
  await simulator.stop();
  assert.deepEqual(await waiting, { status: 200, json: [] });
});

test('a taken port is said, and nothing is left behind', async (t) => {
  const { simulator } = await start(t);
  const options = {
    host: '127.0.0.1',
    dataDir: undefined,
    clock: new FollowingClock(),
    log: createLogger({ level: 'silent' }),
  };
  await assert.rejects(runSimulator({ ...options, port: simulator.smppPort, httpPort: 0 }), /EADDRINUSE/);
  await assert.rejects(runSimulator({ ...options, port: 0, httpPort: simulator.httpPort }), /EADDRINUSE/);
});

test('a web page of another site reads nothing, sends nothing and empties nothing', async (t) => {
  const { call, simulator } = await start(t);
  const status = async (method: string, headers: Record<string, string>): Promise<number> => {
    const asking = request({ host: '127.0.0.1', port: simulator.httpPort, path: MESSAGES, method, headers });
    asking.end(method === 'POST' ? '{"to":"12345","text":"by a page"}' : undefined);
    const [answer] = (await once(asking, 'response')) as [IncomingMessage];
    answer.resume();
    return answer.statusCode ?? 0;
  };
  for (const method of ['GET', 'POST', 'DELETE']) {
    assert.equal(await status(method, { Origin: 'https://evil.example' }), 403);
    assert.equal(await status(method, { 'Sec-Fetch-Site': 'cross-site' }), 403);
    assert.equal(await status(method, { Host: `rebound.example:${simulator.httpPort}` }), 403);
  }
  assert.equal(await status('GET', { Origin: `http://127.0.0.1:${simulator.httpPort}` }), 200);
  assert.equal(await status('GET', { Host: 'localhost' }), 200);
  assert.deepEqual(await call('GET', MESSAGES), { status: 200, json: [] });
});
