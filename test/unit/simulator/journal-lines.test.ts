import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { Outcome } from '../../../src/simulator/behaviours.ts';
import { arrivalLine, messageLine, owedLine, parseLine } from '../../../src/simulator/journal-lines.ts';
import type { OwedDelivery } from '../../../src/simulator/owed-delivery.ts';

const milliseconds = fc.integer({ min: 0, max: 4_000_000_000_000 });
const octet = fc.integer({ min: 0, max: 255 });
/** Records as literals make them: deepEqual looks at prototypes. */
function plain<T>(model: { [K in keyof T]: fc.Arbitrary<T[K]> }): fc.Arbitrary<T> {
  return fc.record(model, { noNullPrototype: true }) as fc.Arbitrary<T>;
}

/** As the wire gives it: Latin-1, tabs and line ends included. */
const address = plain({
  ton: octet,
  npi: octet,
  digits: fc.uint8Array({ maxLength: 21 }).map((bytes) => Buffer.from(bytes).toString('latin1')),
});
const outcome = fc.constantFrom<Outcome>('DELIVRD', 'EXPIRED', 'UNKNOWN');
const receipt = plain({
  kind: fc.constant('receipt' as const),
  messageId: fc.stringMatching(/^[0-9A-F]{1,20}$/),
  outcome,
  submittedMs: milliseconds,
  doneMs: milliseconds,
  withTlvs: fc.boolean(),
  userMessageReference: fc.option(fc.integer({ min: 0, max: 65_535 }), { nil: undefined }),
  copies: fc.integer({ min: 1, max: 3 }),
  reversed: fc.boolean(),
});
const incoming = plain({
  kind: fc.constant('incoming' as const),
  dataCoding: octet,
  esmClass: octet,
  body: fc.uint8Array({ maxLength: 140 }).map((bytes) => Buffer.from(bytes)),
});
const owed: fc.Arbitrary<OwedDelivery> = plain({
  key: fc.nat(),
  dueMs: milliseconds,
  source: address,
  destination: address,
  content: fc.oneof(receipt, incoming),
});
const number = fc.stringMatching(/^\d{1,20}$/);
const text = fc.string({ unit: 'binary' });
const from = address.map(({ digits }) => digits);

test('a debt is read as it was written, on one line', () => {
  fc.assert(
    fc.property(owed, (one) => {
      const line = owedLine(one);
      assert.ok(!line.includes('\n'));
      assert.deepEqual(parseLine(line), { kind: 'owed', owed: one });
    }),
  );
});

test('an arrival is read as it was written', () => {
  const part = plain({ reference: fc.nat(65_535), total: fc.nat(255), sequence: fc.nat(255) });
  fc.assert(
    fc.property(number, from, text, milliseconds, fc.option(part, { nil: undefined }), (to, by, body, atMs, place) => {
      const whole = { number: to, from: by, text: body, atMs };
      const arrival = place === undefined ? whole : { ...whole, part: place };
      const line = arrivalLine(arrival);
      assert.ok(!line.includes('\n'));
      assert.deepEqual(parseLine(line), { kind: 'arrival', arrival });
    }),
  );
});

test('a joined message is read as it was written', () => {
  fc.assert(
    fc.property(number, from, text, milliseconds, (to, by, body, atMs) => {
      const message = { text: body, segments: 3, receivedAtMs: atMs, from: by };
      assert.deepEqual(parseLine(messageLine(to, message)), { kind: 'message', number: to, message });
    }),
  );
});

test('no line makes the reader throw, and half a line is no record', () => {
  fc.assert(
    fc.property(fc.constantFrom('R', 'I', 'D', 'N', 'P', 'H', 'X', ''), fc.string(), (kind, rest) => {
      parseLine(`${kind}\t${rest}`);
    }),
  );
  fc.assert(
    fc.property(owed, fc.nat(), (one, cut) => {
      const fields = owedLine(one).split('\t');
      assert.equal(parseLine(fields.slice(0, cut % fields.length).join('\t')), undefined);
    }),
  );
});
