import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { behaviourOf, DELIVERED, judgeAttempt } from '../../../src/simulator/behaviours.ts';
import { handsetNumber, internationalForm } from '../../../src/simulator/phone-numbers.ts';

const LISTED = ['00', '01', '02', '03', '04', '05', '06', '07', '08', '09', '10', '12'].concat([
  '20',
  '21',
  '22',
  '23',
  '24',
  '25',
  '26',
  '27',
  '28',
  '29',
  '30',
]);

test('only the numbers of the table have a behaviour of their own', () => {
  for (let nn = 0; nn < 100; nn++) {
    const suffix = String(nn).padStart(2, '0');
    const isPlain = behaviourOf(`09000000${suffix}`) === DELIVERED;
    assert.equal(isPlain, suffix === '00' || !LISTED.includes(suffix), suffix);
  }
  for (const number of ['0900000103', '0911000003', '090000003', '12025550103']) {
    assert.equal(behaviourOf(number), DELIVERED);
  }
});

test('the reference lists exactly the numbers of the table', () => {
  const page = readFileSync(new URL('../../../docs/reference/simulator.md', import.meta.url), 'utf8');
  const documented = [...page.matchAll(/^\| `09000000(\d\d)` \|/gm)].map((match) => match[1]);
  assert.deepEqual(documented, LISTED);
});

test('a queue that is full stays so from the first attempt on, not from the last', () => {
  const answer = { kind: 'refuse-for', status: 0x14, durationMs: 10_000 } as const;
  const judge = (nowMs: number) =>
    judgeAttempt(answer, { earlier: { count: 5, firstAtMs: 1_000 }, nowMs, partOfLong: false }).taken;
  assert.equal(judge(10_999), false);
  assert.equal(judge(11_000), true);
});

test('a number has one form', () => {
  for (const raw of ['0911222333', '886911222333', '+886911222333', '0911-222-333', '+886 911 222 333']) {
    assert.equal(handsetNumber(raw), '0911222333');
  }
  assert.equal(handsetNumber('+12025550123'), '12025550123');
  assert.equal(internationalForm('0911222333'), '886911222333');
  for (const raw of ['', '+', 'abc', '09112x', '1'.repeat(21)]) assert.equal(handsetNumber(raw), undefined);
});
