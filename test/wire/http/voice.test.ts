import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { DEFAULT_VOICE_PRICES, parseVoicePrices } from '../../../src/domain/voice-tariff.ts';
import type { VoiceServices } from '../../../src/http/services.ts';
import type { AcceptOutcome } from '../../../src/store/charged-batches.ts';
import type { NewCall } from '../../../src/voice/accept.ts';
import { type Platform, startPlatform } from './platform.ts';

let platform: Platform;
const accepted: NewCall[] = [];
const state: { outcome: AcceptOutcome; lookUpFails: boolean } = {
  outcome: { kind: 'accepted', msgid: 8_692_325 },
  lookUpFails: false,
};

function voice(): VoiceServices {
  const tariffs = parseVoicePrices(DEFAULT_VOICE_PRICES);
  if ('error' in tariffs) throw new Error(tariffs.error);
  return {
    acceptance: {
      accept: async (call) => {
        accepted.push(call);
        return state.outcome;
      },
    },
    calls: {
      lookUp: async () => {
        if (state.lookUpFails) throw new Error('no database');
        return { kind: 'final', phone: '886912123456', seconds: 12, points: 2, state: 'FarEnd' };
      },
    },
    recordings: { take: async () => ({ ok: false, code: '-12' }) },
    tariffs,
    allowedPrefixes: ['886'],
  };
}

before(async () => {
  platform = await startPlatform({ voice: voice() });
  await platform.addAccount('test', { points: 7 });
});
after(() => platform.stop());

const SEND = 'username=test&password=1234&type=1&phone=0912123456';

test('the sample, and text in Big5, reach acceptance as they were meant', async () => {
  const response = await platform.ask(
    `/send_voice.php?${SEND}&voice=4&message=${encodeURIComponent('這是語音簡訊發送測試')}&response=http://127.0.0.1/GetRes.php`,
  );
  assert.equal(response.body, 'resp=8692325,2');
  assert.equal(response.headers['content-type'], 'text/html; charset=utf-8');
  const call = accepted.at(-1);
  assert.deepEqual(
    [call?.body, call?.phone, call?.voice, call?.response, call?.points],
    ['這是語音簡訊發送測試', '886912123456', 4, 'http://127.0.0.1/GetRes.php', 2],
  );
  await platform.ask(`/send_voice.php?${SEND}&message=%B1z%A6n`);
  assert.equal(accepted.at(-1)?.body, '您好');
});

test('the query answers as in the sample', async () => {
  const response = await platform.ask('/query_voice.php?username=test&password=1234&msgid=100000001');
  assert.equal(response.body, 'resp=100000001,0912123456,12,2,FarEnd');
});

test('a call that could not be stored is -99, one whose fate nobody knows gets no answer', async () => {
  state.outcome = { kind: 'not-stored' };
  assert.equal((await platform.ask(`/send_voice.php?${SEND}&message=hi`)).body, 'resp=-99');
  state.outcome = { kind: 'insufficient-points' };
  assert.equal((await platform.ask(`/send_voice.php?${SEND}&message=hi`)).body, 'resp=-2');
  state.outcome = { kind: 'unresolved' };
  await assert.rejects(platform.ask(`/send_voice.php?${SEND}&message=hi`));
  state.outcome = { kind: 'account-changed' };
  assert.equal((await platform.ask(`/send_voice.php?${SEND}&message=hi`)).body, 'resp=-99');
  state.outcome = { kind: 'accepted', msgid: 100_000_000 };
});

test('without a database both endpoints answer -99', async () => {
  state.lookUpFails = true;
  assert.equal((await platform.ask('/query_voice.php?username=test&password=1234&msgid=100000001')).body, 'resp=-99');
  await platform.dropDatabase();
  assert.equal((await platform.ask('/send_voice.php?username=other&password=1234')).body, 'resp=-99');
  assert.equal((await platform.ask('/query_voice.php?username=another&password=1234&msgid=1')).body, 'resp=-99');
});

test('without voice services there are no voice endpoints', async () => {
  const other = await startPlatform();
  assert.equal((await other.ask('/send_voice.php')).status, 404);
  await other.stop();
});
