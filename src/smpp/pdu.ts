/**
 * Bytes ↔ PDU of SMPP 3.4, without a socket. Decoding never throws: a PDU it refuses comes back with the status to
 * answer. Responses are read leniently (a body may be missing, §4.4.2), requests must have their mandatory fields.
 */
import {
  type BindPdu,
  type BindRespPdu,
  bindRespSizeBound,
  bindSizeBound,
  type OutbindPdu,
  outbindSizeBound,
  readBind,
  readBindResp,
  readOutbind,
  writeBind,
  writeBindResp,
  writeOutbind,
} from './bind.ts';
import { COMMAND, type PduHeader, responseIdOf, STATUS } from './command.ts';
import { FieldReader, FieldWriter } from './fields.ts';
import {
  type QueryPdu,
  type QueryRespPdu,
  queryRespSizeBound,
  querySizeBound,
  readQuery,
  readQueryResp,
  writeQuery,
  writeQueryResp,
} from './query.ts';
import {
  readDataMessage,
  readShortMessage,
  type ShortMessageFields,
  shortMessageSizeBound,
  writeDataMessage,
  writeShortMessage,
} from './short-message.ts';

export { COMMAND, STATUS } from './command.ts';
export { type Address, messageBytes, type ShortMessageFields } from './short-message.ts';
export type { Tlvs } from './tlv.ts';

export interface MessagePdu extends PduHeader {
  command: 'submit_sm' | 'deliver_sm' | 'data_sm';
  message: ShortMessageFields;
}

export interface MessageRespPdu extends PduHeader {
  command: 'submit_sm_resp' | 'deliver_sm_resp' | 'data_sm_resp';
  /** Empty when the peer left it out, as it does on errors. */
  messageId: string;
}

/** PDUs that are a header and nothing more. */
export interface HeaderPdu extends PduHeader {
  command: 'enquire_link' | 'enquire_link_resp' | 'unbind' | 'unbind_resp' | 'generic_nack';
}

export type Pdu =
  | BindPdu
  | BindRespPdu
  | MessagePdu
  | MessageRespPdu
  | QueryPdu
  | QueryRespPdu
  | OutbindPdu
  | HeaderPdu;

export type DecodeResult =
  | { ok: true; pdu: Pdu }
  | {
      ok: false;
      commandId: number;
      sequence: number;
      /** The command_status to answer with. */
      status: number;
      reason: string;
    };

export const HEADER_BYTES = 16;

export function isRequest(pdu: Pdu): boolean {
  return COMMAND[pdu.command] < COMMAND.generic_nack;
}

/** The PDU's exact bytes. Throws a RangeError for what no PDU can carry (a TLV over 65,535 bytes). */
export function encodePdu(pdu: Pdu): Buffer {
  const writer = new FieldWriter(Buffer.allocUnsafe(pduSizeBound(pdu)));
  writePdu(writer, pdu);
  return writer.bytes.subarray(0, writer.at);
}

/** A response without a body, for a request of any command id: its own response, or generic_nack. */
export function encodeRefusal(commandId: number, sequence: number, status: number): Buffer {
  const bytes = Buffer.allocUnsafe(HEADER_BYTES);
  bytes.writeUInt32BE(HEADER_BYTES, 0);
  bytes.writeUInt32BE(responseIdOf(commandId), 4);
  bytes.writeUInt32BE(status, 8);
  bytes.writeUInt32BE(sequence, 12);
  return bytes;
}

/** An upper bound, in bytes, of the encoded PDU: what `writePdu` needs to have free. */
export function pduSizeBound(pdu: Pdu): number {
  switch (pdu.command) {
    case 'submit_sm':
    case 'deliver_sm':
    case 'data_sm':
      return HEADER_BYTES + shortMessageSizeBound(pdu.message);
    case 'submit_sm_resp':
    case 'deliver_sm_resp':
    case 'data_sm_resp':
      return HEADER_BYTES + pdu.messageId.length + 1;
    case 'bind_receiver':
    case 'bind_transmitter':
    case 'bind_transceiver':
      return HEADER_BYTES + bindSizeBound(pdu);
    case 'bind_receiver_resp':
    case 'bind_transmitter_resp':
    case 'bind_transceiver_resp':
      return HEADER_BYTES + bindRespSizeBound(pdu);
    case 'query_sm':
      return HEADER_BYTES + querySizeBound(pdu);
    case 'query_sm_resp':
      return HEADER_BYTES + queryRespSizeBound(pdu);
    case 'outbind':
      return HEADER_BYTES + outbindSizeBound(pdu);
    case 'enquire_link':
    case 'enquire_link_resp':
    case 'unbind':
    case 'unbind_resp':
    case 'generic_nack':
      return HEADER_BYTES;
  }
}

/** Writes at `writer.at`, where at least `pduSizeBound(pdu)` bytes must be free. */
export function writePdu(writer: FieldWriter, pdu: Pdu): void {
  const start = writer.at;
  writer.at = start + 4;
  writer.uint32(COMMAND[pdu.command]);
  writer.uint32(pdu.status);
  writer.uint32(pdu.sequence);
  writeBody(writer, pdu);
  writer.uint32At(start, writer.at - start);
}

function writeBody(writer: FieldWriter, pdu: Pdu): void {
  switch (pdu.command) {
    case 'submit_sm':
    case 'deliver_sm':
      writeShortMessage(writer, pdu.message);
      return;
    case 'data_sm':
      writeDataMessage(writer, pdu.message);
      return;
    case 'submit_sm_resp':
      // §4.4.2: no body when the status is an error.
      if (pdu.status === STATUS.ESME_ROK || pdu.messageId !== '') writer.string(pdu.messageId);
      return;
    case 'deliver_sm_resp':
    case 'data_sm_resp':
      writer.string(pdu.messageId);
      return;
    case 'bind_receiver':
    case 'bind_transmitter':
    case 'bind_transceiver':
      writeBind(writer, pdu);
      return;
    case 'bind_receiver_resp':
    case 'bind_transmitter_resp':
    case 'bind_transceiver_resp':
      writeBindResp(writer, pdu);
      return;
    case 'query_sm':
      writeQuery(writer, pdu);
      return;
    case 'query_sm_resp':
      writeQueryResp(writer, pdu);
      return;
    case 'outbind':
      writeOutbind(writer, pdu);
      return;
    case 'enquire_link':
    case 'enquire_link_resp':
    case 'unbind':
    case 'unbind_resp':
    case 'generic_nack':
      return;
  }
}

/** Reads one framed PDU. Never throws. Buffers in the result are views of `bytes`. */
export function decodePdu(bytes: Buffer): DecodeResult {
  if (bytes.length < HEADER_BYTES) {
    return { ok: false, commandId: 0, sequence: 0, status: STATUS.ESME_RINVCMDLEN, reason: 'shorter than a header' };
  }
  const commandId = bytes.readUInt32BE(4);
  const header: PduHeader = { status: bytes.readUInt32BE(8), sequence: bytes.readUInt32BE(12) };
  const { sequence } = header;
  if (bytes.readUInt32BE(0) !== bytes.length) {
    return { ok: false, commandId, sequence, status: STATUS.ESME_RINVCMDLEN, reason: 'command_length is wrong' };
  }
  const reader = new FieldReader(bytes, HEADER_BYTES);
  const pdu = readMessageBody(reader, commandId, header) ?? readOtherBody(reader, commandId, header);
  if (pdu === undefined) {
    return { ok: false, commandId, sequence, status: STATUS.ESME_RINVCMDID, reason: 'unknown command_id' };
  }
  if (reader.truncated && isRequest(pdu)) {
    return { ok: false, commandId, sequence, status: STATUS.ESME_RINVMSGLEN, reason: `truncated ${pdu.command}` };
  }
  return { ok: true, pdu };
}

function readMessageBody(
  reader: FieldReader,
  commandId: number,
  { sequence, status }: PduHeader,
): MessagePdu | MessageRespPdu | undefined {
  switch (commandId) {
    case COMMAND.submit_sm:
      return { command: 'submit_sm', sequence, status, message: readShortMessage(reader) };
    case COMMAND.submit_sm_resp:
      return { command: 'submit_sm_resp', sequence, status, messageId: reader.string() };
    case COMMAND.deliver_sm:
      return { command: 'deliver_sm', sequence, status, message: readShortMessage(reader) };
    case COMMAND.deliver_sm_resp:
      return { command: 'deliver_sm_resp', sequence, status, messageId: reader.string() };
    case COMMAND.data_sm:
      return { command: 'data_sm', sequence, status, message: readDataMessage(reader) };
    case COMMAND.data_sm_resp:
      return { command: 'data_sm_resp', sequence, status, messageId: reader.string() };
    default:
      return undefined;
  }
}

function readOtherBody(reader: FieldReader, commandId: number, header: PduHeader): Pdu | undefined {
  switch (commandId) {
    case COMMAND.enquire_link:
      return { command: 'enquire_link', ...header };
    case COMMAND.enquire_link_resp:
      return { command: 'enquire_link_resp', ...header };
    case COMMAND.unbind:
      return { command: 'unbind', ...header };
    case COMMAND.unbind_resp:
      return { command: 'unbind_resp', ...header };
    case COMMAND.generic_nack:
      return { command: 'generic_nack', ...header };
    case COMMAND.query_sm:
      return readQuery(reader, header);
    case COMMAND.query_sm_resp:
      return readQueryResp(reader, header);
    case COMMAND.outbind:
      return readOutbind(reader, header);
    case COMMAND.bind_receiver:
      return readBind(reader, 'bind_receiver', header);
    case COMMAND.bind_transmitter:
      return readBind(reader, 'bind_transmitter', header);
    case COMMAND.bind_transceiver:
      return readBind(reader, 'bind_transceiver', header);
    case COMMAND.bind_receiver_resp:
      return readBindResp(reader, 'bind_receiver_resp', header);
    case COMMAND.bind_transmitter_resp:
      return readBindResp(reader, 'bind_transmitter_resp', header);
    case COMMAND.bind_transceiver_resp:
      return readBindResp(reader, 'bind_transceiver_resp', header);
    default:
      return undefined;
  }
}
