/** What tshark reads in a recorded SMPP line, PDU by PDU, beside a count of the PDUs that were written. */
import assert from 'node:assert/strict';
import type { TestContext } from 'node:test';
import type { RecordedLine, Side } from './recorded-line.ts';
import { decode, type Layer, fieldOf, allFieldsOf } from './tshark.ts';

export interface ReadPdu {
  side: Side;
  commandId: number;
  status: number;
  sequence: number;
  /** The message's text, a segment's own. */
  text: string | undefined;
  fields: Layer;
}

export interface ReadLine {
  pdus: readonly ReadPdu[];
  /** The long messages that tshark put together: their bytes, without user data headers. */
  reassembled: readonly Buffer[];
  of: (commandId: number) => ReadPdu[];
}

const SMPP_PORT = 2775;
/** And data_coding 0 means to it what it means to Feige and to Kannel: TS 23.038 with an octet for each character. */
const OPTIONS = [
  '-d',
  `tcp.port==${SMPP_PORT},smpp`,
  '-o',
  'smpp.decode_sms_over_smpp:GSM 7-bit',
  '-o',
  'smpp.gsm7_unpacked:TRUE',
];
/** One fault can have hundreds in its wake. */
const SHOWN_COMPLAINTS = 10;
const HEADER_BYTES = 16;

/**
 * Fails unless tshark found every PDU that was written, and nothing wrong with any.
 * @param only the side to read, where the other one was made to write what is no SMPP
 */
export async function readWhole(context: TestContext, line: RecordedLine, only?: Side): Promise<ReadLine> {
  // In one moment, since the line may still be alive.
  const streams = { client: line.written('client'), server: line.written('server') };
  const { packets, complaints } = await decode(context, line.packetFile(SMPP_PORT, only), OPTIONS);
  assert.deepEqual(complaints.slice(0, SHOWN_COMPLAINTS), []);
  const pdus = packets.flatMap(({ layers }) => {
    const side: Side = fieldOf(layers.tcp?.[0] ?? {}, 'tcp.srcport') === String(SMPP_PORT) ? 'server' : 'client';
    return (layers.smpp ?? []).map((fields) => readPdu(side, fields));
  });
  for (const side of only === undefined ? (['client', 'server'] as const) : [only]) {
    const written = streams[side].flatMap(headersOf).toSorted();
    const read = pdus
      .filter((pdu) => pdu.side === side)
      .map(headerWords)
      .toSorted();
    assert.deepEqual(read, written, `of the ${side}`);
    context.diagnostic(`tshark read all ${read.length} PDUs of the ${side}`);
  }
  const reassembled = packets
    .flatMap(({ layers }) => layers.gsm_sms_ud ?? [])
    .flatMap((layer) => allFieldsOf(layer, 'gsm_sms_ud.short_msg'))
    .map((octets) => Buffer.from(octets.replaceAll(':', ''), 'hex'));
  return { pdus, reassembled, of: (commandId) => pdus.filter((pdu) => pdu.commandId === commandId) };
}

/** A receipt as tshark shows it: the fields of appendix B's text, and those of the TLVs. */
export function readReceipt({ text = '', fields }: ReadPdu): {
  id: string | undefined;
  stat: string | undefined;
  tlvId: string | undefined;
  tlvState: number | undefined;
} {
  const [, id, stat] =
    /^id:(\S+) sub:\d{3} dlvrd:\d{3} submit date:\d{10} done date:\d{10} stat:([A-Z]{7}) err:\d{3} text:/.exec(text) ??
    [];
  const state = fieldOf(fields, 'smpp.message_state');
  return {
    id,
    stat,
    tlvId: fieldOf(fields, 'smpp.receipted_message_id'),
    tlvState: state === undefined ? undefined : Number(state),
  };
}

function readPdu(side: Side, fields: Layer): ReadPdu {
  return {
    side,
    commandId: Number(fieldOf(fields, 'smpp.command_id')),
    status: Number(fieldOf(fields, 'smpp.command_status') ?? 0),
    sequence: Number(fieldOf(fields, 'smpp.sequence_number')),
    text: fieldOf(fields, 'smpp.message_text'),
    fields,
  };
}

function headerWords(pdu: { commandId: number; status: number; sequence: number }): string {
  return `command 0x${pdu.commandId.toString(16)} status ${pdu.status} sequence ${pdu.sequence}`;
}

/** By command_length alone (SMPP 3.4 §3.2), without the codec that wrote them. */
function headersOf(stream: Buffer): string[] {
  const headers: string[] = [];
  let at = 0;
  while (at < stream.length) {
    const length = stream.readUInt32BE(at);
    assert.ok(length >= HEADER_BYTES && at + length <= stream.length, `${length} bytes at ${at} of ${stream.length}`);
    headers.push(
      headerWords({
        commandId: stream.readUInt32BE(at + 4),
        status: stream.readUInt32BE(at + 8),
        sequence: stream.readUInt32BE(at + 12),
      }),
    );
    at += length;
  }
  return headers;
}
