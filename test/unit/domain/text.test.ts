/** Bytes to text by points 4, 5 and 7 of the decisions, case by case, and what holds for any bytes. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import iconv from 'iconv-lite';
import {
  decodeMessage,
  decodeText,
  percentDecode,
  type TextEncoding,
  undoDoubleEncodedUrl,
  undoDoubleEncoding,
} from '../../../src/domain/text.ts';

const big5 = (text: string): Buffer => iconv.encode(text, 'cp950');
const big5Text = (hex: string): string => iconv.decode(Buffer.from(hex, 'hex'), 'cp950');
const ENCODINGS: TextEncoding[] = ['auto', 'utf-8', 'big5'];

function expectDecoded(cases: readonly (readonly [bytes: Buffer | string, text: string])[], encoding: TextEncoding) {
  for (const [bytes, text] of cases) {
    const buffer = typeof bytes === 'string' ? Buffer.from(bytes, 'hex') : bytes;
    assert.equal(decodeText(buffer, encoding), text, buffer.toString('hex'));
  }
}

test('UTF-8 and Big5 are told apart without a flag', () => {
  expectDecoded(
    [
      [Buffer.from('Hello'), 'Hello'],
      [Buffer.from('台灣簡訊測試'), '台灣簡訊測試'],
      [Buffer.from('𠀀 😀 ﷽'), '𠀀 😀 ﷽'],
      [big5('台灣簡訊測試'), '台灣簡訊測試'],
      [big5('許功蓋 OK'), '許功蓋 OK'],
      [big5('您的驗證碼是 1234，碁'), '您的驗證碼是 1234，碁'],
      [Buffer.alloc(0), ''],
    ],
    'auto',
  );
});

test('two-byte characters that are two hanzi as well are Big5, other European text is UTF-8', () => {
  expectDecoded(
    [
      ['c3b9c3b9', '羅羅'],
      [Buffer.concat([big5('羅羅'), Buffer.from(' 123')]), '羅羅 123'],
      ['c3b9', 'ù'],
      ['c3b9c3b9c6a1', 'ùùơ'],
      [Buffer.from('été'), 'été'],
      [Buffer.from('créée'), 'créée'],
      [Buffer.from('Привет'), 'Привет'],
      [Buffer.from('ÀÈ'), 'ÀÈ'],
      [Buffer.from('éé中'), 'éé中'],
    ],
    'auto',
  );
});

test('UTF-8 whose last character is cut ends with a question mark', () => {
  expectDecoded(
    [
      [Buffer.from('台灣').subarray(0, 5), '台?'],
      [Buffer.from('台灣').subarray(0, 4), '台?'],
      [Buffer.from('中é').subarray(0, 4), '中?'],
      [Buffer.from('中𠀀').subarray(0, 6), '中?'],
      ['41e4b8', 'A?'],
      ['e4b8ade0', '中?'],
      // No UTF-8 character begins E0 80, so this is not a cut one.
      ['e4b8ade080', `${big5Text('e4b8ade0')}?`],
    ],
    'auto',
  );
});

test('what CP950 cannot map becomes one question mark a character', () => {
  expectDecoded(
    [
      ['a4a4a4', '中?'],
      ['a4a48140a4e5', '中?文'],
      ['a4a4c6a1a4e5', '中?文'],
      ['a4a480a4e5', '中?文'],
      ['a4a4ffa4e5', '中?文'],
      ['a4a4a40aa4e5', '中?\n文'],
    ],
    'auto',
  );
});

test('an account can fix the encoding', () => {
  assert.equal(decodeText(Buffer.from('éé'), 'utf-8'), 'éé');
  assert.equal(decodeText(Buffer.from('c3b9', 'hex'), 'big5'), '羅');
  assert.equal(decodeText(Buffer.from('41a4a442', 'hex'), 'utf-8'), 'A??B');
  assert.equal(decodeText(Buffer.from('台灣').subarray(0, 5), 'utf-8'), '台?');
  assert.equal(decodeText(Buffer.from('a�b'), 'utf-8'), 'a\ufffdb');
});

test('line breaks become LF, control characters and a leading byte order mark go', () => {
  expectDecoded(
    [
      [Buffer.from('a\r\nb\rc\nd'), 'a\nb\nc\nd'],
      [Buffer.from('a\r\r\nb'), 'a\n\nb'],
      [Buffer.from('a\0b\tc\u007fd\u0085e\u001bf'), 'abcdef'],
      [Buffer.from('\ufeff中文'), '中文'],
      [Buffer.from('中\ufeff文'), '中\ufeff文'],
      [Buffer.from('中\r\n文'), '中\n文'],
    ],
    'auto',
  );
});

test('a tab in a message becomes a blank, so that it does not join two words', () => {
  assert.equal(decodeMessage(Buffer.from('飛鴿\t傳書\tby\tair\0'), 'auto'), '飛鴿 傳書 by air');
  assert.equal(decodeMessage(Buffer.from('a4a409a4e5', 'hex'), 'auto'), '中 文');
  assert.equal(undoDoubleEncoding('one%09two%0Athree', 'auto', 'auto'), 'one two\nthree');
});

test('any bytes become clean, well-formed text in any encoding', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200, size: 'max' }), fc.constantFrom(...ENCODINGS), (bytes, encoding) => {
      const text = decodeText(bytes, encoding);
      assert.ok(text.isWellFormed());
      assert.doesNotMatch(text, /[^\P{Cc}\n]/u);
    }),
    { numRuns: 3000 },
  );
});

test('UTF-8 beyond two-byte characters always comes back as it was', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'grapheme' }), (text) => {
      const clean = `中${text}`.replaceAll(/\r\n?/g, '\n').replaceAll(/[^\P{Cc}\n]/gu, '');
      assert.equal(decodeText(Buffer.from(`中${text}`), 'auto'), clean);
    }),
  );
});

test('percent-decoding gives bytes, keeps what is not hexadecimal, and turns plus into space', () => {
  const cases: [raw: string, decoded: string][] = [
    ['a%20b+c', 'a b c'],
    ['%2B%2b', '++'],
    ['100%', '100%'],
    ['100%2', '100%2'],
    ['%zz%4', '%zz%4'],
    ['%%41', '%A'],
    ['%e4%B8%ad', Buffer.from('中').toString('latin1')],
    ['\xa4\xa4', '\xa4\xa4'],
    ['', ''],
  ];
  for (const [raw, decoded] of cases) {
    assert.equal(percentDecode(raw).toString('latin1'), decoded);
    assert.equal(percentDecode(Buffer.from(raw, 'latin1')).toString('latin1'), decoded);
  }
});

test('what encodeURIComponent and a form encode, percentDecode gives back', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'grapheme' }), (text) => {
      assert.equal(percentDecode(encodeURIComponent(text)).toString('utf8'), text);
      const form = new URLSearchParams({ k: text }).toString().slice(2);
      assert.equal(percentDecode(form).toString('utf8'), text);
    }),
  );
});

test('a message encoded twice is decoded once more, if there is proof of it', () => {
  const cases: [once: string, text: string][] = [
    ['%E4%B8%AD%E6%96%87', '中文'],
    ['%e4%b8%ad%e6%96%87', '中文'],
    ['Hello%20World', 'Hello World'],
    ['line%0Aline', 'line\nline'],
    ['a%0D%0Ab', 'a\nb'],
    ['%E4%BD%A0+%E5%A5%BD%2B1', '你 好+1'],
    ['%A4%A4%A4%E5', '中文'],
    ['%A4%E5%A6r', '文字'],
    ['%E4%B8%AD%E6%96', '中?'],
    ["(a)!*'~_.-/%20", "(a)!*'~_.-/ "],
    // Not proven:
    ['100%25', '100%25'],
    ['a+b', 'a+b'],
    ['50%off%20', '50%off%20'],
    ['100%E4', '100%E4'],
    ['a b%20c', 'a b%20c'],
    ['中%20文', '中%20文'],
    ['see http://a.tw/%E4%B8%AD', 'see http://a.tw/%E4%B8%AD'],
    ['http://a.tw/%20', 'http://a.tw/%20'],
    ['a,b%20', 'a,b%20'],
    ['', ''],
  ];
  for (const [once, text] of cases) assert.equal(undoDoubleEncoding(once, 'auto', 'auto'), text, once);
});

test('an account can ask for the second decoding always or never', () => {
  assert.equal(undoDoubleEncoding('%E4%B8%AD', 'never', 'auto'), '%E4%B8%AD');
  assert.equal(undoDoubleEncoding('a,b+100%25', 'always', 'auto'), 'a,b 100%');
  assert.equal(undoDoubleEncoding('中+文', 'always', 'auto'), '中+文');
  assert.equal(undoDoubleEncoding('%A4%A4', 'auto', 'utf-8'), '%A4%A4');
  assert.equal(undoDoubleEncoding('%C3%B9', 'auto', 'big5'), '羅');
});

test('text that a client encodes twice arrives as it was', () => {
  fc.assert(
    fc.property(fc.string({ unit: fc.constantFrom('中', '文', ' ', 'a', '%', '+', '\n', 'é') }), (text) => {
      fc.pre(/[中文 \n]/.test(text) && !/^[ é\d%+\n]*$/.test(text));
      assert.equal(undoDoubleEncoding(encodeURIComponent(text), 'auto', 'auto'), text);
    }),
  );
});

test('a drurl that is still encoded is decoded once more', () => {
  assert.equal(undoDoubleEncodedUrl('http%3A%2F%2Fa.tw%2Fcb%3Fq%3D1%26r%3D2'), 'http://a.tw/cb?q=1&r=2');
  assert.equal(undoDoubleEncodedUrl('https%3a%2f%2fa.tw'), 'https://a.tw');
  assert.equal(undoDoubleEncodedUrl('http://a.tw/?u=http%3A%2F%2Fb.tw'), 'http://a.tw/?u=http%3A%2F%2Fb.tw');
});
