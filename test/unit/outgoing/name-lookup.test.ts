import assert from 'node:assert/strict';
import { test } from 'node:test';
import { NameLookup } from '../../../src/outgoing/name-lookup.ts';

const ADDRESSES = [{ address: '198.51.100.1', family: 4 }];

test('names whose servers never answer keep no other name waiting', async () => {
  const names = new NameLookup((name) =>
    name.endsWith('.silent.example') ? new Promise(() => {}) : Promise.resolve(ADDRESSES),
  );
  for (let n = 0; n < 500; n += 1) void names.resolve(`${n}.silent.example`);
  const waited = new Promise((resolve) => setImmediate(resolve, 'waits'));
  assert.equal(await Promise.race([names.resolve('good.example'), waited]), ADDRESSES);
});

test('a name is asked once at a time, and one that failed not again at once', async () => {
  const asked: string[] = [];
  const names = new NameLookup(async (name) => {
    asked.push(name);
    if (name === 'bad.example') throw new Error('no such name');
    return ADDRESSES;
  });
  await Promise.all([names.resolve('good.example'), names.resolve('good.example')]);
  await assert.rejects(names.resolve('bad.example'), /no such name/);
  await assert.rejects(names.resolve('bad.example'), /no such name/);
  assert.deepEqual(asked, ['good.example', 'bad.example']);
});
