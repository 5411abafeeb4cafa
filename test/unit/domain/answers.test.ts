/** Answers and callbacks as they go over the wire. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import {
  asciiJson,
  callbackPayload,
  codeAnswer,
  finalAnswer,
  incomingAnswer,
  incomingRow,
  pointsAnswer,
  sendAnswer,
} from '../../../src/domain/answers.ts';

const doneAtMs = Date.UTC(2018, 4, 20, 10, 30, 42);

test("the answers are the contract's samples, key by key", () => {
  assert.equal(asciiJson(sendAnswer(222160591)), '{"code":"00000","text":"Success","msgid":222160591}');
  assert.equal(
    asciiJson(finalAnswer({ state: 'DELIVRD', doneAtMs })),
    '{"code":"00000","text":"Success","statuscode":"0","statustext":"DELIVRD","donetime":"20180520183042"}',
  );
  assert.equal(asciiJson(pointsAnswer(7)), '{"code":"00000","text":"Success","point":7}');
  assert.equal(asciiJson(codeAnswer('00020')), '{"code":"00020","text":"\\u901a\\u6578\\u4e0d\\u8db3"}');
});

test('every state but DELIVRD is a failure', () => {
  assert.equal(finalAnswer({ state: 'ACCEPTD', doneAtMs }).statuscode, '-1');
  assert.equal(finalAnswer({ state: 'REJMOBIL', doneAtMs }).statuscode, '-1');
});

test('the callback has the keys of the sample, the time twice, and strings only', () => {
  assert.equal(
    callbackPayload({ msgid: 12345678, mobile: '886911222333', state: 'DELIVRD', doneAtMs }),
    '{"code":"00000","text":"Success","msgid":"12345678","mobile":"0911222333","statuscode":"0",' +
      '"statustext":"DELIVRD","downtime":"20180520183042","donetime":"20180520183042"}',
  );
  const failed = callbackPayload({ msgid: 100000000, mobile: '85291234567', state: 'UNDELIV', doneAtMs });
  assert.match(failed, /"mobile":"85291234567","statuscode":"-1","statustext":"UNDELIV"/);
});

test('an incoming message is a row of strings', () => {
  const row = incomingRow({
    seq: 221831,
    receivedAtMs: Date.UTC(2018, 8, 6, 2, 29, 39),
    mobile: '886911222333',
    text: '台灣',
  });
  assert.equal(
    asciiJson(incomingAnswer([row], false)),
    '{"code":"00000","text":"Success","moResp":[{"seq":"221831","date":"20180906102939","mobile":"0911222333",' +
      '"message":"\\u53f0\\u7063"}]}',
  );
});

test('the JSON is printable ASCII and means the same', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary' }), (text) => {
      const json = asciiJson({ text });
      assert.match(json, /^[\x20-\x7e]*$/);
      assert.deepEqual(JSON.parse(json), { text });
    }),
  );
});
