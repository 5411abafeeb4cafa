/** The keyword filter. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { createWordFilter } from '../../../src/domain/content-filter.ts';

test('a listed word is found anywhere in the text, and named as it was listed', () => {
  const find = createWordFilter(['賭博', 'Casino', '貸款 ']);
  assert.equal(find('線上賭博網站'), '賭博');
  assert.equal(find('best casino'), 'Casino');
  assert.equal(find('小額貸款'), '貸款');
  assert.equal(find('賭 博'), undefined);
  assert.equal(find('賭'), undefined);
  assert.equal(find(''), undefined);
});

test('case and width make no difference, in the word or in the text', () => {
  const find = createWordFilter(['ＡbC１', 'ｶﾞ']);
  for (const text of ['abc1', 'ＡＢＣ１', 'xＡｂｃ１x']) assert.equal(find(text), 'ＡbC１', text);
  assert.equal(find('ガ'), 'ｶﾞ');
});

test('a word that begins like another is still found', () => {
  const find = createWordFilter(['abcd', 'bce', 'bc f']);
  assert.equal(find('abce'), 'bce');
  assert.equal(find('abcabcd'), 'abcd');
  assert.equal(find('ababc'), undefined);
});

test('without words, or with blank ones, nothing is found', () => {
  assert.equal(createWordFilter([])('any text'), undefined);
  assert.equal(createWordFilter(['', '  '])('any  text'), undefined);
});

test('it finds a word exactly where a plain search would', () => {
  const letters = fc.string({ unit: fc.constantFrom('a', 'B', '中'), maxLength: 30 });
  fc.assert(
    fc.property(fc.array(letters, { maxLength: 6 }), letters, (words, text) => {
      const found = createWordFilter(words)(text);
      const listed = words.filter((word) => word !== '');
      const contains = (word: string): boolean => text.toLowerCase().includes(word.toLowerCase());
      if (found === undefined) assert.ok(!listed.some(contains));
      else assert.ok(listed.includes(found) && contains(found));
    }),
  );
});
