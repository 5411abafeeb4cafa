/** Taipei's time against the platform's own calendar. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { formatTaipei, parseDay, parseSendTime, taipeiDay } from '../../../src/domain/taipei-time.ts';

test('a send time is Taipei time, with or without seconds', () => {
  assert.equal(parseSendTime('201203121830'), Date.UTC(2012, 2, 12, 10, 30));
  assert.equal(parseSendTime('20120312183059'), Date.UTC(2012, 2, 12, 10, 30, 59));
  assert.equal(parseSendTime('202402290000'), Date.UTC(2024, 1, 28, 16));
  assert.equal(parseSendTime('202412312359'), Date.UTC(2024, 11, 31, 15, 59));
});

test('dates that do not exist, and other forms, are no send time', () => {
  const refused = [
    '',
    '20120312183',
    '2012031218305',
    '201203121830591',
    '202302290000',
    '190002290000',
    '202404310000',
    '202413010000',
    '202400010000',
    '202401000000',
    '202401012400',
    '202401010060',
    '20240101000060',
    '000001010000',
    '2024-01-01 00:00',
    ' 201203121830',
    '２０１２０３１２１８３０',
  ];
  for (const value of refused) assert.equal(parseSendTime(value), undefined, value);
});

test('a day is 24 hours from midnight in Taipei', () => {
  const startMs = Date.UTC(2012, 2, 23, 16);
  assert.deepEqual(parseDay('2012-03-24'), { startMs, endMs: startMs + 86_400_000 });
  for (const value of ['', '2012-3-24', '20120324', '2023-02-29', '2012-13-01', '2012-00-10', '2012-03-24 ']) {
    assert.equal(parseDay(value), undefined, value);
  }
});

test('an instant is written in Taipei time', () => {
  assert.equal(formatTaipei(Date.UTC(2018, 4, 20, 10, 30, 42, 999)), '20180520183042');
  assert.equal(formatTaipei(0), '19700101080000');
  assert.equal(taipeiDay(Date.UTC(2018, 4, 20, 15, 59, 59, 999)), '2018-05-20');
  assert.equal(taipeiDay(Date.UTC(2018, 4, 20, 16)), '2018-05-21');
});

test('every instant of four millennia is written as the platform would, and read back', () => {
  const instants = fc.integer({ min: -62_000_000_000, max: 64_000_000_000 });
  fc.assert(
    fc.property(instants, (seconds) => {
      const written = formatTaipei(seconds * 1000);
      const iso = new Date(seconds * 1000 + 28_800_000).toISOString();
      assert.equal(written, iso.slice(0, 19).replaceAll(/[-T:]/g, ''));
      assert.equal(taipeiDay(seconds * 1000), iso.slice(0, 10));
      assert.equal(parseSendTime(written), seconds * 1000);
      const day = parseDay(iso.slice(0, 10));
      assert.ok(day !== undefined && day.startMs <= seconds * 1000 && seconds * 1000 < day.endMs);
    }),
    { numRuns: 1000 },
  );
});
