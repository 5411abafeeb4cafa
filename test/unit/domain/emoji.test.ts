/** Point 22: what is an emoji, and what is everyday text. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { containsEmoji } from '../../../src/domain/emoji.ts';

test('emoji are found', () => {
  const emoji = [
    '😀',
    'Hello 😀',
    '你好🙏',
    '♥\ufe0f',
    '♀\ufe0f',
    '☎\ufe0f',
    '1\ufe0f\u20e3',
    '1\u20e3',
    '🇹🇼',
    '\u{1f1f9}',
    '👍🏽',
    '\u{1f3fd}',
    '👨‍👩‍👧',
    '☠\u200d♂',
    '⌚',
    '⭐',
    '❌',
    '⚡',
    '🈚',
    '🫠',
    '\u{1f7e2}',
  ];
  for (const text of emoji) assert.equal(containsEmoji(text), true, text);
});

test('text symbols, hanzi of every plane and joiners in other scripts pass', () => {
  const plain = [
    '',
    'Hello #1 * (c) 100%',
    '♀♂♥★☎▶♨',
    '☆○●◎◇◆□■△▲▽▼※→←↑↓©®™‼⁉ℹ',
    '台灣簡訊測試，。！？「」…',
    '𠀀𪚥𫠝',
    '\u{2f800}\u{30000}',
    'ｶﾅ ひらがな 한글',
    'क्\u200dष',
    'می\u200dخواهم',
    '\ufe0e☎\ufe0e',
    '𝐀🄰🂡',
  ];
  for (const text of plain) assert.equal(containsEmoji(text), false, text);
});

test('every character of emoji presentation is found, and nothing else on its own', () => {
  for (let codePoint = 0; codePoint <= 0x1_ffff; codePoint++) {
    const character = String.fromCodePoint(codePoint);
    assert.equal(containsEmoji(character), /\p{Emoji_Presentation}/u.test(character), codePoint.toString(16));
  }
});
