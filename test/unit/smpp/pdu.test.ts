/** Encoding and decoding are inverse; whatever the bytes, decoding answers and never throws. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { COMMAND, decodePdu, encodePdu, messageBytes, type Pdu, pduSizeBound, STATUS } from '../../../src/smpp/pdu.ts';
import { anyFrame, anyPdu } from './pdu-arbitraries.ts';
import { sampleMessage } from './sample-message.ts';

function decoded(bytes: Buffer): Pdu {
  const result = decodePdu(bytes);
  assert.ok(result.ok, result.ok ? '' : result.reason);
  return result.pdu;
}

/** Corrects command_length after a test cut or lengthened the PDU. */
function reframed(bytes: Buffer): Buffer {
  const copy = Buffer.from(bytes);
  copy.writeUInt32BE(copy.length, 0);
  return copy;
}

test('decoding what was encoded gives the same PDU', () => {
  fc.assert(
    fc.property(anyPdu, (pdu) => {
      const bytes = encodePdu(pdu);
      assert.ok(bytes.length <= pduSizeBound(pdu));
      assert.deepEqual(decoded(bytes), pdu);
    }),
    { numRuns: 2000 },
  );
});

test('a submit_sm has the bytes of the standard', () => {
  const message = sampleMessage({
    source: { ton: 5, npi: 0, digits: 'AB' },
    destination: { ton: 1, npi: 1, digits: '8869' },
    esmClass: 0x40,
    validityPeriod: '',
    dataCoding: 8,
    shortMessage: Buffer.from([0x4f, 0x60]),
    tlvs: { userMessageReference: 0x1234 },
  });
  assert.equal(
    encodePdu({ command: 'submit_sm', sequence: 7, status: 0, message }).toString('hex'),
    `${'0000002f'}${'00000004'}${'00000000'}${'00000007'}` +
      `${'00'}${'0500414200'}${'01013838363900'}${'40'}${'00'}${'00'}${'00'}${'00'}${'01'}${'00'}${'08'}${'00'}${'02'}${'4f60'}` +
      `${'020400021234'}`,
  );
});

test('any frame is decoded or refused with a status, and never throws', () => {
  fc.assert(
    fc.property(anyFrame, (frame) => {
      const result = decodePdu(frame);
      if (!result.ok) assert.ok(result.status > 0 && result.sequence === frame.readUInt32BE(12));
    }),
    { numRuns: 20_000 },
  );
});

test('mutated, cut and lengthened PDUs never throw', () => {
  fc.assert(
    fc.property(
      anyPdu,
      fc.array(fc.tuple(fc.nat(), fc.integer({ min: 0, max: 255 })), { maxLength: 6 }),
      fc.nat(),
      fc.boolean(),
      (pdu, changes, cut, honestLength) => {
        const bytes = encodePdu(pdu);
        for (const [at, value] of changes) bytes[at % bytes.length] = value;
        const shorter = bytes.subarray(0, bytes.length - (cut % bytes.length));
        decodePdu(shorter.length >= 16 && honestLength ? reframed(shorter) : shorter);
      },
    ),
    { numRuns: 20_000 },
  );
});

test('what is shorter than a header is refused as a wrong command length', () => {
  const result = decodePdu(Buffer.alloc(15));
  assert.deepEqual([result.ok, !result.ok && result.status], [false, STATUS.ESME_RINVCMDLEN]);
});

test('an unknown command is refused with ESME_RINVCMDID and its sequence', () => {
  const bytes = encodePdu({ command: 'enquire_link', sequence: 99, status: 0 });
  bytes.writeUInt32BE(0x0000_4242, 4);
  const result = decodePdu(bytes);
  assert.ok(!result.ok);
  assert.deepEqual([result.commandId, result.sequence, result.status], [0x4242, 99, STATUS.ESME_RINVCMDID]);
});

test('a submit_sm whose mandatory fields are cut is refused with ESME_RINVMSGLEN', () => {
  const bytes = encodePdu({ command: 'submit_sm', sequence: 1, status: 0, message: sampleMessage() });
  for (let length = 16; length < bytes.length; length += 1) {
    const result = decodePdu(reframed(bytes.subarray(0, length)));
    assert.ok(!result.ok, `of ${length} bytes`);
    assert.equal(result.status, STATUS.ESME_RINVMSGLEN);
  }
});

test('a malformed TLV keeps the PDU and the TLVs before it', () => {
  const message = sampleMessage({ tlvs: { receiptedMessageId: 'abc', messageState: 2 } });
  const good = encodePdu({ command: 'deliver_sm', sequence: 1, status: 0, message });
  for (const tail of ['0424ffff41', '042400', '04', '0204000212']) {
    const pdu = decoded(reframed(Buffer.concat([good, Buffer.from(tail, 'hex')])));
    assert.ok(pdu.command === 'deliver_sm');
    assert.deepEqual(pdu.message.tlvs, { receiptedMessageId: 'abc', messageState: 2 });
  }
});

test('a known TLV of another length than the standard gives is kept raw', () => {
  const good = encodePdu({ command: 'deliver_sm', sequence: 1, status: 0, message: sampleMessage() });
  const pdu = decoded(reframed(Buffer.concat([good, Buffer.from('04270002aabb', 'hex')])));
  assert.ok(pdu.command === 'deliver_sm');
  assert.deepEqual(pdu.message.tlvs, { others: new Map([[0x0427, Buffer.from('aabb', 'hex')]]) });
});

test('receipted_message_id is read with and without its NUL', () => {
  const good = encodePdu({ command: 'deliver_sm', sequence: 1, status: 0, message: sampleMessage() });
  for (const tlv of ['001e0003616263', '001e000461626300']) {
    const pdu = decoded(reframed(Buffer.concat([good, Buffer.from(tlv, 'hex'), Buffer.from('0427000102', 'hex')])));
    assert.ok(pdu.command === 'deliver_sm');
    assert.deepEqual(pdu.message.tlvs, { receiptedMessageId: 'abc', messageState: 2 });
  }
});

test('a message id longer than the standard allows, without its NUL, ends with the PDU', () => {
  const header = Buffer.alloc(16);
  header.writeUInt32BE(COMMAND.submit_sm_resp, 4);
  header.writeUInt32BE(5, 12);
  const id = '0123456789'.repeat(10);
  const pdu = decoded(reframed(Buffer.concat([header, Buffer.from(id)])));
  assert.deepEqual(pdu, { command: 'submit_sm_resp', sequence: 5, status: 0, messageId: id });
});

test('a response without a body is a response all the same', () => {
  for (const [name, commandId] of Object.entries(COMMAND)) {
    if (commandId <= COMMAND.generic_nack || /replace|cancel|multi/.test(name)) continue;
    const header = Buffer.alloc(16);
    header.writeUInt32BE(16, 0);
    header.writeUInt32BE(commandId, 4);
    header.writeUInt32BE(STATUS.ESME_RTHROTTLED, 8);
    header.writeUInt32BE(3, 12);
    const pdu = decoded(header);
    assert.deepEqual([pdu.command, pdu.status, pdu.sequence], [name, STATUS.ESME_RTHROTTLED, 3]);
  }
});

test('a refused submit_sm is answered without a body', () => {
  const bytes = encodePdu({ command: 'submit_sm_resp', sequence: 1, status: STATUS.ESME_RTHROTTLED, messageId: '' });
  assert.equal(bytes.length, 16);
});

test('a short message over 254 bytes travels as message_payload and reads the same', () => {
  for (const command of ['submit_sm', 'data_sm'] as const) {
    const shortMessage = Buffer.alloc(255, 'x');
    const bytes = encodePdu({ command, sequence: 1, status: 0, message: sampleMessage({ shortMessage }) });
    const pdu = decoded(bytes);
    assert.ok(pdu.command === command);
    assert.equal(pdu.message.shortMessage.length, 0);
    assert.deepEqual(messageBytes(pdu.message), shortMessage);
  }
});

test('a character that no C-octet string can hold does not shift the fields after it', () => {
  const source = { ton: 5, npi: 0, digits: 'a\u0000b\u0100c' };
  const bytes = encodePdu({ command: 'submit_sm', sequence: 1, status: 0, message: sampleMessage({ source }) });
  const pdu = decoded(bytes);
  assert.ok(pdu.command === 'submit_sm');
  assert.deepEqual(pdu.message, sampleMessage({ source: { ...source, digits: 'a?b?c' } }));
});

test('a TLV too long for its length field is the caller’s fault', () => {
  const message = sampleMessage({ shortMessage: Buffer.alloc(0), tlvs: { messagePayload: Buffer.alloc(65_536) } });
  assert.throws(() => encodePdu({ command: 'submit_sm', sequence: 1, status: 0, message }), RangeError);
});
