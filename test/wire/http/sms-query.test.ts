import assert from 'node:assert/strict';
import { after, before, beforeEach, test } from 'node:test';
import { movePoints } from '../../../src/store/ledger.ts';
import { NOON_MS, type Platform, startPlatform } from './platform.ts';

let platform: Platform;
before(async () => {
  platform = await startPlatform();
  await platform.addAccount('test', { points: 7 });
  await platform.addAccount('badip', { settings: { ipAllow: ['192.0.2.1'] } });
});
after(() => platform.stop());
beforeEach(() => {
  platform.asked.length = 0;
  platform.lookUp = { kind: 'not-found' };
  platform.isDeleted = false;
  platform.incoming = { kind: 'unknown-number' };
});

const MESSAGE = { mobile: '0911222333', msgid: '123456789' };

async function bodyOf(endpoint: string, parameters: Record<string, string>): Promise<string> {
  const response = await platform.get(endpoint, parameters);
  assert.equal(response.status, 200);
  assert.equal(response.headers['content-type'], 'application/json; charset=utf-8');
  return response.body;
}

async function codeOf(endpoint: string, parameters: Record<string, string>): Promise<unknown> {
  return (JSON.parse(await bodyOf(endpoint, parameters)) as { code: string }).code;
}

test('a final state is answered as in the sample', async () => {
  platform.lookUp = { kind: 'final', state: 'DELIVRD', doneAtMs: Date.UTC(2018, 4, 20, 10, 30, 42) };
  assert.equal(
    await bodyOf('sms_query', MESSAGE),
    '{"code":"00000","text":"Success","statuscode":"0","statustext":"DELIVRD","donetime":"20180520183042"}',
  );
  platform.lookUp = { kind: 'final', state: 'REJMOBIL', doneAtMs: NOON_MS };
  const { statuscode } = JSON.parse(await bodyOf('sms_query', MESSAGE)) as { statuscode: string };
  assert.equal(statuscode, '-1');
});

test('a pending message is 00001 without a statuscode, a scheduled one 00310, an unknown one 00300', async () => {
  platform.lookUp = { kind: 'pending' };
  const pending = JSON.parse(await bodyOf('sms_query', MESSAGE)) as object;
  assert.deepEqual(Object.keys(pending), ['code', 'text']);
  assert.equal(await codeOf('sms_query', MESSAGE), '00001');
  platform.lookUp = { kind: 'scheduled' };
  assert.equal(await codeOf('sms_query', MESSAGE), '00310');
  platform.lookUp = { kind: 'not-found' };
  assert.equal(await codeOf('sms_query', MESSAGE), '00300');
});

test('the message is looked for by its normalised number, and further back only with outrange=Y', async () => {
  await codeOf('sms_query', { ...MESSAGE, mobile: '+886 911-222-333' });
  await codeOf('sms_query', { ...MESSAGE, outrange: 'Y' });
  await codeOf('sms_query', { ...MESSAGE, outrange: 'y' });
  const asked = platform.asked as { mobile: string; msgid: number; outrange: boolean }[];
  assert.deepEqual(
    asked.map(({ mobile, msgid, outrange }) => [mobile, msgid, outrange]),
    [false, true, false].map((outrange) => ['886911222333', 123_456_789, outrange]),
  );
});

test('00420: mobile or msgid missing, or not numbers', async () => {
  for (const wrong of [
    { mobile: '' },
    { msgid: '' },
    { msgid: '1234567' },
    { msgid: '123456789012' },
    { msgid: 'x' },
  ]) {
    assert.equal(await codeOf('sms_query', { ...MESSAGE, ...wrong }), '00420', JSON.stringify(wrong));
  }
  assert.equal(await codeOf('sms_query', { ...MESSAGE, mobile: '0911x' }), '00420');
  assert.equal(await codeOf('sms_query', { ...MESSAGE, mobile: '12' }), '00300');
  assert.deepEqual(platform.asked, []);
});

test('checkpoint=Y answers the balance of this moment and needs no message', async () => {
  assert.equal(await bodyOf('sms_query', { checkpoint: 'Y' }), '{"code":"00000","text":"Success","point":7}');
  await movePoints(platform.database, { username: 'test', kind: 'topup', points: 5, note: null });
  assert.equal(await bodyOf('sms_query', { checkpoint: 'Y' }), '{"code":"00000","text":"Success","point":12}');
  assert.equal(await codeOf('sms_query', { checkpoint: 'N' }), '00420');
});

test('delttime=Y and deltime=Y delete: 00000 only when this request did', async () => {
  for (const name of ['delttime', 'deltime']) {
    platform.isDeleted = true;
    assert.equal(await bodyOf('sms_query', { ...MESSAGE, [name]: 'Y' }), '{"code":"00000","text":"Success"}');
    platform.isDeleted = false;
    assert.equal(await codeOf('sms_query', { ...MESSAGE, [name]: 'Y' }), '00300');
    assert.equal(await codeOf('sms_query', { [name]: 'Y' }), '00420');
  }
});

test('credentials come before everything', async () => {
  for (const endpoint of ['sms_query', 'smsmo_query']) {
    assert.equal(await codeOf(endpoint, { username: '', checkpoint: 'Y' }), '00010');
    assert.equal(await codeOf(endpoint, { username: 'nobody' }), '00011');
    assert.equal(await codeOf(endpoint, { password: 'wrong' }), '00012');
    assert.equal(await codeOf(endpoint, { username: 'badip' }), '00030');
  }
});

test('incoming messages are answered as in the sample', async () => {
  platform.incoming = {
    kind: 'rows',
    rows: [{ seq: 221_831, receivedAtMs: Date.UTC(2018, 8, 6, 2, 29, 39), mobile: '886911222333', text: '台灣' }],
    more: false,
  };
  assert.equal(
    await bodyOf('smsmo_query', { snumber: '12345', sdate: '2018-09-06' }),
    '{"code":"00000","text":"Success","moResp":[{"seq":"221831","date":"20180906102939","mobile":"0911222333","message":"\\u53f0\\u7063"}]}',
  );
  const startMs = Date.UTC(2018, 8, 5, 16);
  const { accountId: _, ...asked } = platform.asked[0] as { accountId: number };
  assert.deepEqual(asked, { snumber: '12345', startMs, endMs: startMs + 86_400_000 });
});

test('an answer that could not hold the whole day says so, and the next one is asked for behind its last seq', async () => {
  const rows = [{ seq: 221_831, receivedAtMs: Date.UTC(2018, 8, 6), mobile: '886911222333', text: 'a' }];
  platform.incoming = { kind: 'rows', rows, more: true };
  assert.match(await bodyOf('smsmo_query', { snumber: '12345' }), /"message":"a"}\],"more":"Y"}$/);
  platform.incoming = { kind: 'rows', rows, more: false };
  assert.doesNotMatch(await bodyOf('smsmo_query', { snumber: '12345', afterseq: '221831' }), /more/);
  assert.equal((platform.asked[1] as { afterSeq: number }).afterSeq, 221_831);
});

test('without sdate it is today in Taipei', async () => {
  assert.equal(await codeOf('smsmo_query', { snumber: '12345' }), '00400');
  assert.equal((platform.asked[0] as { startMs: number }).startMs, Date.UTC(2026, 10, 21, 16));
});

test('00410: nothing arrived; 00430: a snumber or sdate that is none', async () => {
  platform.incoming = { kind: 'rows', rows: [], more: false };
  assert.equal(await codeOf('smsmo_query', { snumber: '12345' }), '00410');
  for (const wrong of [
    { snumber: '1234' },
    { snumber: '' },
    { sdate: '2026-02-30' },
    { sdate: '20260201' },
    { afterseq: 'x' },
  ]) {
    assert.equal(await codeOf('smsmo_query', { snumber: '12345', ...wrong }), '00430', JSON.stringify(wrong));
  }
});
