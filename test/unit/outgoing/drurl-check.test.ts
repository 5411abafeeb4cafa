import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { ManualClock } from '../../../src/base/clock.ts';
import { AddressRules } from '../../../src/outgoing/address-rules.ts';
import { DrurlCheck } from '../../../src/outgoing/drurl-check.ts';
import type { Outcome } from '../../../src/outgoing/exchange.ts';

const rules = new AddressRules({ allow: [], platformListeners: () => [] });

const turn = () => new Promise(setImmediate);

/** A client whose answers the test gives, in the order of the questions. */
class Desk {
  readonly asked: string[] = [];
  readonly #answers: ((status: number) => void)[] = [];

  get(url: string): Promise<Outcome> {
    this.asked.push(url);
    return new Promise((resolve) => this.#answers.push((status) => resolve({ kind: 'answered', status })));
  }

  async reply(question: number, status: number): Promise<void> {
    await turn();
    const answer = this.#answers[question];
    assert.ok(answer, `question ${question} was not asked`);
    answer(status);
    await turn();
  }
}

function setUp() {
  const clock = new ManualClock(1_000_000);
  const client = new Desk();
  return { clock, client, check: new DrurlCheck({ client, rules, clock }) };
}

describe('the check of a drurl', () => {
  for (const [status, good] of [
    [200, true],
    [201, false],
    [204, false],
    [301, false],
    [404, false],
    [500, false],
  ] as const) {
    test(`an answer of ${status} is ${good ? 'good' : 'not good'}`, async () => {
      const { client, check } = setUp();
      const result = check.check('http://a.example/r', 1);
      await client.reply(0, status);
      assert.equal(await result, good);
    });
  }

  test('a good answer holds for 60 s whatever the query, a bad one is asked again', async () => {
    const { clock, client, check } = setUp();
    const first = check.check('http://a.example/r?id=1', 1);
    await client.reply(0, 404);
    assert.equal(await first, false);
    const second = check.check('http://a.example/r?id=1', 1);
    await client.reply(1, 200);
    assert.equal(await second, true);
    clock.advance(59_999);
    assert.equal(await check.check('http://a.example/r?id=2', 2), true);
    assert.equal(client.asked.length, 2);
    clock.advance(1);
    const third = check.check('http://a.example/r?id=2', 1);
    await turn();
    assert.deepEqual(client.asked.slice(2), ['http://a.example/r?id=2']);
    await client.reply(2, 500);
    assert.equal(await third, false);
  });

  test('another path, port or scheme is another question', async () => {
    const { client, check } = setUp();
    const urls = ['http://a.example/r', 'http://a.example/R', 'http://a.example:81/r', 'https://a.example/r'];
    const results = urls.map((url) => check.check(url, 1));
    await turn();
    assert.deepEqual(client.asked, urls);
    for (const question of urls.keys()) await client.reply(question, 200);
    assert.deepEqual(await Promise.all(results), [true, true, true, true]);
  });

  test('the same question under way is asked once', async () => {
    const { client, check } = setUp();
    const results = [1, 2, 3].map((account) => check.check('http://a.example/r', account));
    await turn();
    assert.equal(client.asked.length, 1);
    await client.reply(0, 200);
    assert.deepEqual(await Promise.all(results), [true, true, true]);
  });

  test('a host is asked by eight checks at once, and another host does not wait for it', async () => {
    const { client, check } = setUp();
    const slow = Array.from({ length: 12 }, (_, n) => check.check(`http://slow.example/${n}`, n));
    await turn();
    assert.equal(client.asked.length, 8);
    const other = check.check('http://quick.example/', 99);
    await turn();
    assert.equal(client.asked.length, 9);
    await client.reply(8, 200);
    assert.equal(await other, true);
    await client.reply(0, 200);
    assert.equal(await slow[0], true);
    await turn();
    assert.equal(client.asked.length, 10);
    for (let n = 1; n < 13; n += 1) {
      await client.reply(n, 200);
    }
    assert.deepEqual(await Promise.all(slow), Array(12).fill(true));
  });

  test('an account has eight checks at once and fifty waiting; more are failed ones', async () => {
    const { client, check } = setUp();
    const results = Array.from({ length: 59 }, (_, n) => check.check(`http://h${n}.example/`, 1));
    await turn();
    assert.equal(client.asked.length, 8);
    assert.equal(await results[58], false);
    const other = check.check('http://quick.example/', 2);
    await client.reply(8, 200);
    assert.equal(await other, true);
  });

  test('a check that waited is spared when the URL turned out good meanwhile', async () => {
    const { client, check } = setUp();
    const results = Array.from({ length: 9 }, (_, n) => check.check(`http://a.example/r?id=${n}`, n));
    await turn();
    assert.equal(client.asked.length, 8);
    await client.reply(0, 200);
    assert.equal(await results[8], true);
    assert.equal(client.asked.length, 8);
  });

  test('a literal address outside the internet is told apart from a name', () => {
    const { check } = setUp();
    assert.equal(check.isForbiddenLiteral('http://127.0.0.1/r'), true);
    assert.equal(check.isForbiddenLiteral('http://[::1]/r'), true);
    assert.equal(check.isForbiddenLiteral('http://8.8.8.8/r'), false);
    assert.equal(check.isForbiddenLiteral('http://localhost/r'), false);
    assert.equal(check.isForbiddenLiteral('nonsense'), false);
  });
});
