import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { StreamFraming } from '../../../src/sip/stream-framing.ts';

function message(body: string, name = 'Content-Length'): string {
  return `OPTIONS sip:a SIP/2.0\r\nTo: <sip:a>\r\n${name}: ${body.length}\r\n\r\n${body}`;
}

test('messages are cut out however the bytes are split, with keep-alives between them', () => {
  const part = fc.oneof(
    fc.string({ unit: 'binary-ascii', maxLength: 40 }).map((body) => ({ text: message(body), whole: true })),
    fc.constantFrom('\r\n', '\r\n\r\n').map((text) => ({ text, whole: false })),
  );
  fc.assert(
    fc.property(fc.array(part, { maxLength: 6 }), fc.array(fc.integer({ min: 1, max: 30 })), (parts, cuts) => {
      const framing = new StreamFraming();
      const bytes = Buffer.from(parts.map(({ text }) => text).join(''), 'latin1');
      const got: string[] = [];
      let at = 0;
      for (let index = 0; at < bytes.length; index += 1) {
        const length = cuts[index % Math.max(1, cuts.length)] ?? 1;
        const { messages, broken } = framing.feed(bytes.subarray(at, at + length));
        assert.equal(broken, undefined);
        got.push(...messages.map((one) => one.toString('latin1')));
        at += length;
      }
      assert.deepEqual(
        got,
        parts.filter(({ whole }) => whole).map(({ text }) => text),
      );
    }),
    { numRuns: 500 },
  );
});

test('a double line end is a ping even when it comes byte by byte, a single one is none', () => {
  const framing = new StreamFraming();
  const pings = ['\r', '\n', '\r', '\n'].map((byte) => framing.feed(Buffer.from(byte)).ping);
  assert.deepEqual(pings, [false, false, false, true]);
  assert.equal(framing.feed(Buffer.from(`\r\n${message('x')}`)).ping, false);
});

test('the compact form of Content-Length counts', () => {
  assert.equal(new StreamFraming().feed(Buffer.from(message('abc', 'l'))).messages.length, 1);
});

test('without a length, with an absurd one, or with endless headers a stream is broken for good', () => {
  const head = 'OPTIONS sip:a SIP/2.0\r\n';
  const cases = [
    [`${head}To: a\r\n\r\n`, 'no Content-Length'],
    [`${head}Content-Length: x\r\n\r\n`, 'no Content-Length'],
    [`${head}Content-Length: 65535\r\n\r\n`, 'message too long'],
    [`${head}A: ${'x'.repeat(20_000)}`, 'headers too long'],
    ['\rX\r\n', 'stray carriage return'],
  ] as const;
  for (const [text, reason] of cases) {
    const framing = new StreamFraming();
    assert.equal(framing.feed(Buffer.from(text)).broken, reason);
    assert.deepEqual(framing.feed(Buffer.from(message('x'))), { messages: [], ping: false, broken: reason });
  }
});

test('a long body that comes byte by byte costs no square of time', () => {
  const bytes = Buffer.from(message('x'.repeat(60_000)));
  const framing = new StreamFraming();
  const startedAtMs = performance.now();
  let messages = 0;
  for (let at = 0; at < bytes.length; at += 1) messages += framing.feed(bytes.subarray(at, at + 1)).messages.length;
  assert.equal(messages, 1);
  assert.ok(performance.now() - startedAtMs < 1_000);
});
