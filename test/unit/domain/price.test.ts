/** Prices by prefix. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { DEFAULT_PRICES, type PriceTable, parsePrices, priceOf } from '../../../src/domain/price.ts';

const home = { e164: '886911222333', domestic: true };

function table(config: string): PriceTable {
  const prices = parsePrices(config);
  assert.ok(!('error' in prices));
  return prices;
}

test('by default a segment in Taiwan is 1 point and a message abroad 3', () => {
  const prices = table(DEFAULT_PRICES);
  assert.equal(priceOf(prices, home, 1), 1);
  assert.equal(priceOf(prices, home, 5), 5);
  assert.equal(priceOf(prices, { e164: '85291234567', domestic: false }, 1), 3);
});

test('the longest matching prefix gives the price', () => {
  const prices = table(' 886=2, *=3 ,1=5,8613=4,86=6');
  assert.equal(priceOf(prices, home, 3), 6);
  assert.equal(priceOf(prices, { e164: '12025550123', domestic: false }, 1), 5);
  assert.equal(priceOf(prices, { e164: '8613812345678', domestic: false }, 1), 4);
  assert.equal(priceOf(prices, { e164: '8615812345678', domestic: false }, 1), 6);
  assert.equal(priceOf(prices, { e164: '85291234567', domestic: false }, 1), 3);
  assert.equal(priceOf(table('*=7'), home, 2), 14);
});

test('a mistake in the configuration is named', () => {
  for (const config of ['', '886=1', '886=1,*=', '886:1,*=3', '886=1,*=3,', '886=-1,*=3', '886=1.5,*=3', 'x=1,*=3']) {
    assert.ok('error' in parsePrices(config), config);
  }
  assert.deepEqual(parsePrices('886=1,886=2,*=3'), { error: '"886" has two prices' });
  assert.deepEqual(parsePrices('*=1,*=2'), { error: '"*" has two prices' });
  assert.deepEqual(parsePrices('*=1001'), { error: '"*=1001": a price is at most 1000 points' });
});
