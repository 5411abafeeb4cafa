import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { type Arrival, HandsetStore } from '../../../src/simulator/handsets.ts';

const NUMBER = '0911222333';

function arrival(text: string, part?: { reference: number; total: number; sequence: number }, atMs = 0): Arrival {
  const one = { number: NUMBER, from: '12345', text, atMs };
  return part === undefined ? one : { ...one, part };
}

function texts(store: HandsetStore, number = NUMBER): string[] {
  return store.messages(number).map(({ text }) => text);
}

test('segments in any order, some of them twice, give the message once', () => {
  const order = fc
    .tuple(
      fc.shuffledSubarray([1, 2, 3, 4, 5], { minLength: 5, maxLength: 5 }),
      fc.array(fc.integer({ min: 0, max: 3 })),
    )
    .map(([sequences, again]) => {
      const twice = sequences
        .slice(0, 4)
        .flatMap((sequence, at) => (again.includes(at) ? [sequence, sequence] : [sequence]));
      return [...twice, ...sequences.slice(4)];
    });
  fc.assert(
    fc.property(order, (sequences) => {
      const store = new HandsetStore();
      for (const sequence of sequences) {
        store.receive(arrival(String(sequence), { reference: 1, total: 5, sequence }));
      }
      assert.deepEqual(texts(store), ['12345']);
    }),
  );
});

test('a long message sent twice is there twice', () => {
  const store = new HandsetStore();
  for (const sequence of [1, 2, 1, 2]) store.receive(arrival(`${sequence}`, { reference: 1, total: 2, sequence }));
  assert.deepEqual(texts(store), ['12', '12']);
});

test('a repeated segment of a joined message does not spoil the next one under its reference', () => {
  const store = new HandsetStore();
  const place = (sequence: number) => ({ reference: 1, total: 2, sequence });
  for (const sequence of [1, 2, 2]) store.receive(arrival(`old${sequence}`, place(sequence)));
  for (const sequence of [1, 2]) store.receive(arrival(`new${sequence}`, place(sequence)));
  assert.deepEqual(texts(store), ['old1old2', 'new1new2']);
});

test('messages under one reference that begin alike are both whole', () => {
  const store = new HandsetStore();
  for (const end of ['one', 'two']) {
    store.receive(arrival('begin ', { reference: 1, total: 2, sequence: 1 }));
    store.receive(arrival(end, { reference: 1, total: 2, sequence: 2 }));
  }
  assert.deepEqual(texts(store), ['begin one', 'begin two']);
});

test('what was left unfinished for a quarter of an hour is not joined with what comes then', () => {
  const store = new HandsetStore();
  store.receive(arrival('a', { reference: 1, total: 2, sequence: 1 }));
  store.receive(arrival('b', { reference: 1, total: 2, sequence: 2 }, 15 * 60_000 + 1));
  assert.deepEqual(texts(store), []);
});

test('the oldest message of a number goes first, and the number used longest ago', () => {
  const store = new HandsetStore({ numbers: 2, messagesPerNumber: 2 });
  for (const text of ['1', '2', '3']) store.receive(arrival(text));
  assert.deepEqual(texts(store), ['2', '3']);
  for (const number of ['0911000001', '0911000002']) store.receive({ ...arrival('x'), number });
  assert.deepEqual(
    store.numbers().map(({ number }) => number),
    ['0911000001', '0911000002'],
  );
});

test('the messages of all numbers together are bounded', () => {
  const store = new HandsetStore({ messages: 4 });
  for (const number of ['1', '2', '3']) for (const text of ['a', 'b']) store.receive({ ...arrival(text), number });
  assert.deepEqual(
    store.numbers().map(({ number }) => number),
    ['2', '3'],
  );
});

test('unfinished messages are bounded, the oldest goes', () => {
  const store = new HandsetStore({ joins: 2 });
  for (const reference of [1, 2, 3]) store.receive(arrival('a', { reference, total: 2, sequence: 1 }));
  for (const reference of [1, 3]) store.receive(arrival('b', { reference, total: 2, sequence: 2 }));
  assert.deepEqual(texts(store), ['ab']);
});

test('a wait ends with the next message, or without one after its time', async () => {
  const store = new HandsetStore({ waiters: 2 });
  const next = store.waitForNext(NUMBER, 60_000);
  const other = store.waitForNext('0911000000', 10);
  assert.equal(await store.waitForNext(NUMBER, 60_000), undefined, 'too many wait');
  store.receive(arrival('now'));
  assert.equal((await next)?.text, 'now');
  assert.equal(await other, undefined);
  assert.equal(store.waiting, 0);
});

test('what is kept for the next life gives the same handsets again', () => {
  const store = new HandsetStore();
  for (const number of ['1', '2']) store.receive({ ...arrival('x'), number });
  store.receive(arrival('a', { reference: 1, total: 2, sequence: 1 }));
  const next = new HandsetStore();
  for (const { number, message } of store.latest(10)) next.put(number, message);
  for (const one of store.unfinished(10)) next.receive(one);
  next.receive(arrival('b', { reference: 1, total: 2, sequence: 2 }));
  assert.deepEqual(
    next.numbers().map(({ number }) => number),
    ['1', '2', NUMBER],
  );
  assert.deepEqual(texts(next), ['ab']);
});

test('emptying a handset forgets its unfinished messages too', () => {
  const store = new HandsetStore();
  store.receive(arrival('x'));
  store.receive(arrival('a', { reference: 1, total: 2, sequence: 1 }));
  store.clear(NUMBER);
  store.receive(arrival('b', { reference: 1, total: 2, sequence: 2 }));
  assert.deepEqual(texts(store), []);
});
