import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { callbackUrl, withParameter } from '../../../src/callback/callback-url.ts';

const row = { callbackId: 1, host: 'www.abc.com', attempts: 0, giveUpAtMs: 0 };

describe('the URL of a callback', () => {
  test("carries the contract's sample of section 4, and donetime after it", () => {
    const url = callbackUrl({
      ...row,
      kind: 'receipt',
      url: 'http://www.abc.com/twsmsResp.php',
      msgid: 12_345_678,
      mobile: '886911222333',
      state: 'DELIVRD',
      doneAtMs: Date.UTC(2018, 4, 20, 10, 30, 42),
    });
    assert.equal(
      url,
      'http://www.abc.com/twsmsResp.php?smsresp=' +
        '%7B%22code%22%3A%2200000%22%2C%22text%22%3A%22Success%22%2C%22msgid%22%3A%2212345678%22%2C' +
        '%22mobile%22%3A%220911222333%22%2C%22statuscode%22%3A%220%22%2C%22statustext%22%3A%22DELIVRD%22%2C' +
        '%22downtime%22%3A%2220180520183042%22%2C%22donetime%22%3A%2220180520183042%22%7D',
    );
  });

  test('carries an incoming message as moresp', () => {
    const payload = '{"seq":"1","message":"\\u53f0 & #1"}';
    const url = callbackUrl({ ...row, kind: 'incoming', url: 'https://www.abc.com/mo?k=v', payload });
    assert.equal(url, `https://www.abc.com/mo?k=v&moresp=${encodeURIComponent(payload)}`);
    assert.equal(new URL(url).searchParams.get('moresp'), payload);
  });

  test('carries the five parameters of a call after the query it has', () => {
    const url = callbackUrl({
      ...row,
      kind: 'call',
      url: 'http://www.abc.com/GetRes.php?k=v',
      msgid: 8_692_325,
      mobile: '886912123456',
      state: 'FarEnd',
      payload: '{"seconds" : 12, "points" : 2}',
    });
    const expected = 'msgid=8692325&phone=0912123456&playtime=12&totalpoint=2&status=FarEnd';
    assert.equal(url, `http://www.abc.com/GetRes.php?k=v&${expected}`);
  });

  for (const [before, after] of [
    ['http://a.example', 'http://a.example?p=1'],
    ['http://a.example/r', 'http://a.example/r?p=1'],
    ['http://a.example/r?', 'http://a.example/r?p=1'],
    ['http://a.example/r?x=%E4%BD%A0&y', 'http://a.example/r?x=%E4%BD%A0&y&p=1'],
    ['http://a.example/r?x=1&', 'http://a.example/r?x=1&p=1'],
    ['http://a.example/r#part?x', 'http://a.example/r?p=1'],
    ['http://a.example/r?x=1#part', 'http://a.example/r?x=1&p=1'],
  ] as const) {
    test(`${before} becomes ${after}`, () => assert.equal(withParameter(before, 'p', '1'), after));
  }
});
