import assert from 'node:assert/strict';
import { test } from 'node:test';
import { TurnLine } from '../../../src/http/turn-line.ts';

/** What is let on in each turn of the event loop until nothing more is. */
async function turnsOf(letOn: string[]): Promise<string[][]> {
  const turns: string[][] = [];
  for (;;) {
    const before = letOn.length;
    await new Promise(setImmediate);
    if (letOn.length === before) return turns;
    turns.push(letOn.slice(before));
  }
}

function start(leastPerTurn: number): { line: TurnLine<string>; letOn: string[] } {
  const letOn: string[] = [];
  return { line: new TurnLine<string>(leastPerTurn, (item) => letOn.push(item)), letOn };
}

test('in each turn of the event loop only a few are let on, in their order', async () => {
  const { line, letOn } = start(4);
  const items = Array.from({ length: 10 }, (_, index) => String(index));
  for (const item of items) line.add('a', item);
  assert.deepEqual(letOn, []);
  assert.deepEqual(await turnsOf(letOn), [items.slice(0, 4), items.slice(4, 8), items.slice(8)]);
});

test('sites take turns: a newcomer stands behind one of each other site, not behind all of them', async () => {
  const { line, letOn } = start(2);
  for (const item of ['a1', 'a2', 'a3', 'a4']) line.add('a', item);
  line.add('b', 'b1');
  const turns = turnsOf(letOn);
  assert.deepEqual(await turns, [['a1', 'b1'], ['a2', 'a3'], ['a4']]);
});

test('of a long line more are let on in each turn', async () => {
  const { line, letOn } = start(4);
  for (let index = 0; index < 10_000; index++) line.add('a', String(index));
  const turns = await turnsOf(letOn);
  assert.equal(turns[0]?.length, 40);
  assert.ok(turns.length < 1_000, `${turns.length} turns`);
  assert.equal(turns.flat().length, 10_000);
});

test('what is added later is let on without waiting for anything else', async () => {
  const { line, letOn } = start(1);
  line.add('a', 'first');
  assert.deepEqual(await turnsOf(letOn), [['first']]);
  line.add('a', 'second');
  assert.deepEqual(await turnsOf(letOn), [['second']]);
});
