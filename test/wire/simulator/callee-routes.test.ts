import assert from 'node:assert/strict';
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { FollowingClock } from '../../../src/base/clock.ts';
import { createLogger } from '../../../src/base/log.ts';
import { encodeG711, PCMA } from '../../../src/sip/g711.ts';
import { runSimulator } from '../../../src/simulator/process.ts';
import { ScriptedCaller } from './callee-caller.ts';

interface ShownCall {
  callId: string;
  from: string;
  startedAt: string;
  answeredAt: string | null;
  endedAt: string | null;
  endedBy: string | null;
  status: number | null;
  seconds: number;
  codec: string | null;
  packets: number;
  lost: number;
  pressed: string;
  recording: string | null;
}

async function start(t: TestContext, dataDir?: string) {
  const simulator = await runSimulator({
    host: '127.0.0.1',
    port: 0,
    httpPort: 0,
    sipPort: 0,
    dataDir,
    clock: new FollowingClock(),
    log: createLogger({ level: 'silent' }),
  });
  t.after(() => simulator.stop());
  const request = (method: string, path: string): Promise<Response> =>
    fetch(`http://127.0.0.1:${simulator.httpPort}${path}`, { method });
  const list = async (query = ''): Promise<ShownCall[]> =>
    (await (await request('GET', `${CALLS}${query}`)).json()) as ShownCall[];
  const talk = async (): Promise<ScriptedCaller> => {
    const caller = await ScriptedCaller.open({ port: simulator.sipPort ?? 0, to: '886912345678' });
    t.after(() => caller.close());
    const port = await caller.answered();
    caller.play(port, encodeG711(PCMA, new Int16Array(1_600).fill(1_000)));
    const [call] = simulator.telephone?.calls.of('0912345678').slice(-1) ?? [];
    while ((call?.packets ?? 0) < 10) await new Promise((resolve) => setImmediate(resolve));
    return caller;
  };
  /** Resolves when nobody is on the line. */
  const over = async (): Promise<void> => {
    while (simulator.telephone?.ongoing !== 0) await new Promise((resolve) => setImmediate(resolve));
  };
  return { simulator, request, list, talk, over };
}

function temporaryDirectory(t: TestContext): string {
  const directory = mkdtempSync(join(tmpdir(), 'feige-callee-'));
  t.after(() => rmSync(directory, { recursive: true, force: true }));
  return directory;
}

const CALLS = '/simulator/handsets/0912345678/calls';

test('a number lists its calls, with a link to what was heard', async (t) => {
  const { request, list, talk, simulator } = await start(t);
  assert.deepEqual(await list(), []);
  const caller = await talk();
  const [ongoing] = await list();
  assert.deepEqual([ongoing?.endedAt, ongoing?.endedBy, ongoing?.seconds], [null, null, 0]);
  const waiting = list('?wait=60');
  while (simulator.telephone?.calls.waiting !== 1) await new Promise((resolve) => setImmediate(resolve));
  caller.bye();
  const [call] = await waiting;
  assert.ok(call);
  assert.equal(call.callId, caller.callId);
  assert.deepEqual(
    [call.from, call.endedBy, call.status, call.codec, call.packets, call.lost, call.pressed],
    ['0277001234', 'caller', 200, 'PCMA', 10, 0, ''],
  );
  for (const time of [call.startedAt, call.answeredAt, call.endedAt]) {
    assert.match(time ?? '', /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);
  }
  assert.equal(call.seconds, (Date.parse(call.endedAt ?? '') - Date.parse(call.answeredAt ?? '')) / 1_000);
  assert.match(call.recording ?? '', /^\/simulator\/handsets\/0912345678\/calls\/[0-9a-f-]{36}\/recording\.wav$/);
  const wav = await request('GET', call.recording ?? '');
  assert.deepEqual([wav.status, wav.headers.get('content-type')], [200, 'audio/wav']);
  const bytes = Buffer.from(await wav.arrayBuffer());
  assert.equal(bytes.length, 44 + 1_600 * 2);
  assert.equal(bytes.readInt16LE(44), 1_008);
  const numbers = await (await request('GET', '/simulator/handsets')).json();
  assert.deepEqual(numbers, [{ number: '0912345678', messages: 0, calls: 1 }]);
  assert.equal((await request('DELETE', CALLS)).status, 204);
  assert.deepEqual(await list(), []);
  assert.equal((await request('GET', call.recording ?? '')).status, 404);
});

test('a call that was not answered has no recording', async (t) => {
  const { simulator, request } = await start(t);
  const caller = await ScriptedCaller.open({ port: simulator.sipPort ?? 0, to: '0900000101' });
  t.after(() => caller.close());
  caller.invite();
  await caller.response(486);
  caller.ack({ refused: true });
  const calls = (await (await request('GET', '/simulator/handsets/0900000101/calls')).json()) as ShownCall[];
  const [call] = calls;
  assert.deepEqual(
    [call?.status, call?.answeredAt, call?.seconds, call?.codec, call?.recording],
    [486, null, 0, null, null],
  );
});

for (const [method, path, status] of [
  ['GET', '/simulator/handsets/nobody/calls', 400],
  ['GET', `${CALLS}?wait=61`, 400],
  ['GET', `${CALLS}/1/recording.wav`, 404],
  ['GET', `${CALLS}/1`, 404],
  ['GET', '/simulator/handsets/0912345678/messages/1/recording.wav', 404],
  ['POST', CALLS, 405],
  ['DELETE', `${CALLS}/1/recording.wav`, 405],
] as const) {
  test(`${method} ${path} is ${status} with its reason`, async (t) => {
    const { request } = await start(t);
    const answer = await request(method, path);
    assert.equal(answer.status, status);
    assert.equal(typeof ((await answer.json()) as { error: unknown }).error, 'string');
  });
}

test('a restart still knows the calls and what was heard, and nothing of those that were emptied', async (t) => {
  const dataDir = temporaryDirectory(t);
  const first = await start(t, dataDir);
  (await first.talk()).bye();
  await first.over();
  const [before] = await first.list();
  assert.ok(before);
  const wav = await (await first.request('GET', before.recording ?? '')).arrayBuffer();
  await first.simulator.stop();
  writeFileSync(join(dataDir, 'calls', '00000000-0000-4000-8000-000000000000.call'), '{"id":1}\n');
  writeFileSync(join(dataDir, 'calls', 'half.call.part'), 'half');

  const second = await start(t, dataDir);
  assert.deepEqual(await second.list(), [before]);
  assert.deepEqual(await (await second.request('GET', before.recording ?? '')).arrayBuffer(), wav);
  await second.request('DELETE', CALLS);
  await second.simulator.stop();
  assert.deepEqual(readdirSync(join(dataDir, 'calls')), []);
});
