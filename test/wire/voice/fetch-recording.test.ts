import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { after, before, test } from 'node:test';
import { queryObjects } from 'node:v8';
import { Client } from 'undici';
import { AddressRules } from '../../../src/outgoing/address-rules.ts';
import { type FetchedRecording, RecordingFetcher } from '../../../src/voice/fetch-recording.ts';
import { MAX_RECORDING_BYTES } from '../../../src/voice/recording.ts';

const ACCOUNT = 1;
const answers: Record<string, (response: ServerResponse) => void> = {
  '/good?a=1': (response) => response.end('hello'),
  '/moved': (response) => response.writeHead(302, { location: '/good?a=1' }).end(),
  '/full': (response) => response.end(Buffer.alloc(MAX_RECORDING_BYTES)),
  '/large': (response) => response.end(Buffer.alloc(MAX_RECORDING_BYTES + 1)),
  '/cut': (response) => {
    response.writeHead(200, { 'content-length': '100' });
    response.write('a', () => response.destroy());
  },
  '/slow': (response) => void response.write('a'),
  '/hints': (response) => void response.socket?.write('HTTP/1.1 103 Early Hints\r\n\r\n'.repeat(20)),
};
let server: Server;
let port = 0;
let asked = 0;

before(async () => {
  server = createServer((request, response) => {
    asked += 1;
    const answer = answers[request.url ?? ''];
    if (answer) answer(response);
    else response.writeHead(404).end();
    server.emit('asked');
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  port = (server.address() as AddressInfo).port;
});
after(() => {
  server.closeAllConnections();
  server.close();
});

function fetcher(options: { timeoutMs?: number; allow?: string[]; lookedUp?: string } = {}): RecordingFetcher {
  const { lookedUp = '127.0.0.1' } = options;
  return new RecordingFetcher({
    rules: new AddressRules({ allow: options.allow ?? ['127.0.0.0/8'], platformListeners: () => [] }),
    lookup: async () => [{ address: lookedUp, family: 4 }],
    ...(options.timeoutMs !== undefined && { timeoutMs: options.timeoutMs }),
  });
}

const get = (path: string, of = fetcher()): Promise<FetchedRecording> =>
  of.fetch(`http://files.test:${port}${path}`, ACCOUNT);

test('the whole file comes, up to the bound', async () => {
  const good = await get('/good?a=1');
  assert.ok(good.kind === 'fetched');
  assert.equal(good.file.toString(), 'hello');
  const full = await get('/full');
  assert.ok(full.kind === 'fetched');
  assert.equal(full.file.length, MAX_RECORDING_BYTES);
});

for (const path of ['/large', '/moved', '/nothing', '/cut']) {
  test(`${path} has not been fetched`, async () => {
    assert.equal((await get(path)).kind, 'failed');
  });
}

test('informational answers without end are not waited for', async () => {
  assert.deepEqual(await get('/hints'), { kind: 'failed', reason: 'informational answers without end' });
});

test('an answer that does not end in time has failed', async () => {
  assert.equal((await get('/slow', fetcher({ timeoutMs: 100 }))).kind, 'failed');
});

test('a fetch is forgotten with its answer, and not only when its time would have been over', async () => {
  const fetches = 40;
  for (let n = 0; n < fetches; n += 1) await get(n % 2 === 0 ? '/good?a=1' : '/nothing');
  // The last one or two may still be closing.
  const kept = queryObjects(Client, { format: 'count' });
  assert.ok(kept < fetches / 4, `${kept} of ${fetches} are kept`);
});

test('an address that customers may not name is not asked, be it literal or behind a name', async () => {
  const before = asked;
  const strict = fetcher({ allow: [] });
  assert.equal((await get('/good?a=1', strict)).kind, 'failed');
  assert.equal((await strict.fetch(`http://127.0.0.1:${port}/good?a=1`, ACCOUNT)).kind, 'failed');
  assert.equal(asked, before);
});

test('an account has four fetches at once; the next one waits and fails when its time is over', async () => {
  const slow = fetcher({ timeoutMs: 400 });
  const four = Array.from({ length: 4 }, () => get('/slow', slow));
  const before = asked;
  const fifth = get('/good?a=1', slow);
  const other = await slow.fetch(`http://files.test:${port}/good?a=1`, ACCOUNT + 1);
  assert.equal(other.kind, 'fetched');
  assert.ok((await Promise.all(four)).every((outcome) => outcome.kind === 'failed'));
  await fifth;
  assert.ok(asked - before <= 6);
});
