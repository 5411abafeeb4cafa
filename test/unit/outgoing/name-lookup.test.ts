import assert from 'node:assert/strict';
import { test } from 'node:test';
import { NameLookup } from '../../../src/outgoing/name-lookup.ts';
import { customersNames } from '../../../src/outgoing/name-servers.ts';

const ADDRESSES = [{ address: '198.51.100.1', family: 4 }];

test('names whose servers never answer keep no other name waiting', async () => {
  const names = customersNames((name) =>
    name.endsWith('.silent.example') ? new Promise(() => {}) : Promise.resolve(ADDRESSES),
  );
  for (let n = 0; n < 500; n += 1) void names.resolve(`${n}.silent.example`);
  const waited = new Promise((resolve) => setImmediate(resolve, 'waits'));
  assert.equal(await Promise.race([names.resolve('good.example'), waited]), ADDRESSES);
});

test('a name is asked once at a time, and one that failed not again at once', async () => {
  const asked: string[] = [];
  const names = customersNames(async (name) => {
    asked.push(name);
    if (name === 'bad.example') throw new Error('no such name');
    return ADDRESSES;
  });
  await Promise.all([names.resolve('good.example'), names.resolve('good.example')]);
  await assert.rejects(names.resolve('bad.example'), /no such name/);
  await assert.rejects(names.resolve('bad.example'), /no such name/);
  assert.deepEqual(asked, ['good.example', 'bad.example']);
});

test('no more than so many are asked at once, and the others in their turn', async () => {
  let running = 0;
  let most = 0;
  const slow = async (): Promise<typeof ADDRESSES> => {
    most = Math.max(most, ++running);
    await new Promise(setImmediate);
    running -= 1;
    return ADDRESSES;
  };
  const names = new NameLookup(slow, { atOnce: 2 });
  const found = await Promise.all(Array.from({ length: 20 }, (_, n) => names.resolve(`host${n}`)));
  assert.deepEqual([most, found.length], [2, 20]);
});
