/**
 * Streams of damaged PDUs through the framing and the codec in one process, and out of every PDU that can be read
 * everything the platform reads out of it. What was read must be writable again.
 */
import assert from 'node:assert/strict';
import { parseOperatorSettings } from '../../src/domain/operator-settings.ts';
import { decodeUserData } from '../../src/gsm/user-data.ts';
import { FrameReader } from '../../src/smpp/framing.ts';
import { decodePdu, encodePdu, messageBytes, type Pdu, type ShortMessageFields } from '../../src/smpp/pdu.ts';
import { receiptLikeness } from '../../src/smpp/receipt-text.ts';
import { parseReceipt } from '../../src/sms/parse-receipt.ts';
import { smppSeeds } from './smpp-corpus.ts';
import type { FuzzTarget, StartedTarget, Verdicts } from './target.ts';

const NOW_MS = Date.UTC(2026, 10, 22);
const LENGTH_BYTES = 4;

export function smppCodec(): FuzzTarget {
  return { name: 'smpp codec', share: 0.35, seeds: smppSeeds(), start: async () => startCodec() };
}

function startCodec(): StartedTarget {
  const verdicts: Verdicts = { good: 0, broken: 0 };
  const parsed = parseOperatorSettings({ host: '127.0.0.1', port: 1, systemId: 'a', password: 'b' });
  if (!parsed.ok) throw new Error(parsed.mistakes.join('; '));
  const { settings } = parsed;
  const readMessage = (message: ShortMessageFields): void => {
    const bytes = messageBytes(message);
    for (const defaultAlphabet of ['gsm7', 'latin1', 'ascii'] as const) {
      const { dataCoding } = message;
      const { text } = decodeUserData({ dataCoding, udhi: (message.esmClass & 0x40) !== 0, bytes, defaultAlphabet });
      assert.ok(!text.includes('\0'), 'a text with NUL, which no database can hold');
    }
    receiptLikeness(message);
    const receipt = parseReceipt(1, settings, message, NOW_MS);
    assert.ok(receipt === undefined || (Number.isFinite(receipt.doneAtMs) && !receipt.id.includes('\0')));
  };
  const readFrame = (frame: Buffer): void => {
    const decoded = decodePdu(frame);
    if (!decoded.ok) {
      verdicts.broken += 1;
      return;
    }
    verdicts.good += 1;
    if ('message' in decoded.pdu) readMessage(decoded.pdu.message);
    writtenAgain(decoded.pdu);
  };
  const readStream = (input: Buffer, at: number): void => {
    const framing = new FrameReader();
    for (const chunk of [input.subarray(0, at), input.subarray(at)]) {
      const { frames, broken } = framing.feed(chunk);
      for (const frame of frames) readFrame(frame);
      if (broken === undefined) continue;
      verdicts.broken += 1;
      return;
    }
  };
  return {
    verdicts,
    feed: async (inputs) => {
      for (const [index, input] of inputs.entries()) {
        readStream(input, index % (input.length + 1));
        readFrame(framed(input));
      }
    },
    stop: async () => {},
  };
}

/** The same bytes with the length that they have, so that their damage reaches the codec. */
export function framed(input: Buffer): Buffer {
  const bytes = Buffer.alloc(Math.max(16, input.length));
  input.copy(bytes);
  bytes.writeUInt32BE(bytes.length, 0);
  return bytes;
}

function writtenAgain(pdu: Pdu): void {
  // §5.3.2.32: never both. They are read, for what an operator sends is not ours to choose, and never written.
  if ('message' in pdu && pdu.message.shortMessage.length > 0 && pdu.message.tlvs.messagePayload !== undefined) return;
  const again = decodePdu(encodePdu(pdu));
  assert.ok(again.ok, 'what was read cannot be written');
  assert.equal(again.pdu.command, pdu.command);
  assert.equal(again.pdu.sequence, pdu.sequence);
  assert.ok(encodePdu(again.pdu).length >= LENGTH_BYTES);
}
