/** Receipts as operators write them. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import {
  formatReceiptText,
  receiptLikeness,
  parseReceiptText,
  receiptDateToMs,
  receiptTextOf,
} from '../../../src/smpp/receipt-text.ts';
import { sampleMessage } from './sample-message.ts';

const TAIPEI = 480;

test('the receipt of the standard’s appendix is read', () => {
  assert.deepEqual(
    parseReceiptText(
      'id:0123456789 sub:001 dlvrd:001 submit date:0207231415 done date:0207231418 stat:DELIVRD err:000 text:Hi',
    ),
    { id: '0123456789', submitDate: '0207231415', doneDate: '0207231418', stat: 'DELIVRD', err: '000' },
  );
});

test('other orders, cases, blanks and missing fields are read', () => {
  assert.deepEqual(parseReceiptText('STAT: delivrd ID: 7F Done_Date:260101120000'), {
    id: '7F',
    stat: 'DELIVRD',
    doneDate: '260101120000',
  });
  assert.deepEqual(parseReceiptText('id: sub:001 stat:EXPIRED'), { stat: 'EXPIRED' });
  assert.deepEqual(parseReceiptText('text:x id:5 stat:UNDELIV'), { id: '5', stat: 'UNDELIV' });
});

test('fields that the sender wrote into the text do not replace the receipt’s', () => {
  assert.deepEqual(parseReceiptText('id:5 stat:UNDELIV text:id:6 stat:DELIVRD err:9 done date:2601011200'), {
    id: '5',
    stat: 'UNDELIV',
  });
});

test('a text that is no receipt gives undefined', () => {
  for (const text of ['', 'hello', 'valid:5 status:3', 'text:only', ':::::', 'id:', 'err:000']) {
    assert.equal(parseReceiptText(text), undefined, text);
  }
});

test('any text is read without throwing', () => {
  fc.assert(
    fc.property(fc.array(fc.oneof(fc.string(), fc.constantFrom('id:', ' stat:', 'text:', 'done date:'))), (parts) => {
      parseReceiptText(parts.join(''));
    }),
    { numRuns: 5000 },
  );
});

test('what is formatted is parsed back, to the minute', () => {
  const minute = fc.integer({ min: Date.UTC(2026, 0) / 60_000, max: Date.UTC(2060, 0) / 60_000 });
  fc.assert(
    fc.property(minute, minute, fc.stringMatching(/^[0-9a-f]{1,12}$/), (submitted, done, suffix) => {
      const text = formatReceiptText({
        id: `x${suffix}`,
        stat: 'REJECTD',
        submitDateMs: submitted * 60_000,
        doneDateMs: done * 60_000,
        utcOffsetMinutes: TAIPEI,
        err: '011',
        text: 'id:1 stat:DELIVRD and so on',
      });
      const receipt = parseReceiptText(text);
      assert.equal(receipt?.id, `x${suffix}`);
      assert.equal(receipt.stat, 'REJECTD');
      assert.equal(receipt.err, '011');
      assert.equal(receiptDateToMs(receipt.submitDate ?? '', TAIPEI), submitted * 60_000);
      assert.equal(receiptDateToMs(receipt.doneDate ?? '', TAIPEI), done * 60_000);
    }),
  );
});

test('the form is the appendix’s', () => {
  const atMs = Date.UTC(2026, 10, 22, 7, 30);
  assert.equal(
    formatReceiptText({ id: '42', stat: 'DELIVRD', submitDateMs: atMs, doneDateMs: atMs, utcOffsetMinutes: TAIPEI }),
    'id:42 sub:001 dlvrd:001 submit date:2611221530 done date:2611221530 stat:DELIVRD err:000 text:',
  );
});

test('dates of 10, 12 and 14 digits are read in the operator’s zone', () => {
  const expected = Date.UTC(2026, 10, 22, 7, 30);
  for (const value of ['2611221530', '261122153000', '20261122153000', '202611221530']) {
    assert.equal(receiptDateToMs(value, TAIPEI), expected, value);
  }
  assert.equal(receiptDateToMs('261122153059', 0), Date.UTC(2026, 10, 22, 15, 30, 59));
});

test('a date that does not exist gives undefined', () => {
  for (const value of [
    '',
    '2613011200',
    '2602301200',
    '2601012400',
    '26010112',
    '26010112000',
    'abcdefghij',
    '0000000000',
  ]) {
    assert.equal(receiptDateToMs(value, TAIPEI), undefined, value);
  }
});

test('a receipt is known by its esm_class, its TLVs, or its body', () => {
  const body = Buffer.from('id:1 sub:001 dlvrd:001 stat:DELIVRD err:000');
  assert.equal(receiptLikeness(sampleMessage({ esmClass: 0x04 })), 'certain');
  assert.equal(receiptLikeness(sampleMessage({ esmClass: 0x20 })), 'certain');
  assert.equal(receiptLikeness(sampleMessage({ tlvs: { receiptedMessageId: '1', messageState: 2 } })), 'certain');
  assert.equal(receiptLikeness(sampleMessage({ esmClass: 0, shortMessage: body })), 'perhaps');
  assert.equal(receiptLikeness(sampleMessage({ esmClass: 0x08, shortMessage: body })), 'certain');
  assert.equal(
    receiptLikeness(sampleMessage({ shortMessage: Buffer.alloc(0), tlvs: { messagePayload: body } })),
    'perhaps',
  );
  assert.equal(receiptLikeness(sampleMessage({ shortMessage: body, tlvs: { receiptedMessageId: '1' } })), 'certain');
  const dated = Buffer.from('id:1 sub:001 dlvrd:001 submit date:2611221000 done date:2611221001 stat:DELIVRD err:000');
  assert.equal(receiptLikeness(sampleMessage({ shortMessage: dated })), 'certain');
  assert.equal(receiptLikeness(sampleMessage()), 'none');
  assert.equal(receiptLikeness(sampleMessage({ esmClass: 0x08 })), 'none');
  assert.equal(receiptLikeness(sampleMessage({ esmClass: 0x40, shortMessage: body })), 'none');
  assert.equal(receiptLikeness(sampleMessage({ shortMessage: Buffer.from('my id:5') })), 'none');
});

test('a receipt in UCS-2 is read', () => {
  const text = 'id:1 stat:DELIVRD';
  const shortMessage = Buffer.from(text, 'utf16le').swap16();
  assert.equal(receiptTextOf(sampleMessage({ dataCoding: 8, shortMessage })), text);
  assert.equal(receiptTextOf(sampleMessage({ dataCoding: 8, shortMessage: Buffer.of(0, 0x69, 0) })), 'i');
});
