/**
 * Optional parameters (SMPP 3.4 §3.2.4, §5.3): tag, length, value. The ones a gateway acts on have names; every other
 * is kept raw in `others`. A malformed one ends the list and never loses the PDU or what came before it.
 */
import type { FieldWriter } from './fields.ts';

export interface Tlvs {
  /** §5.3.2.12, the operator's id of the message a receipt is about. */
  receiptedMessageId?: string;
  /** §5.3.2.35, values of §5.2.28: 1 ENROUTE, 2 DELIVERED, … 8 REJECTED. */
  messageState?: number;
  /** §5.3.2.17, 16 bits. */
  userMessageReference?: number;
  /** §5.3.2.32, up to 64 KiB in place of short_message. */
  messagePayload?: Buffer;
  sarMsgRefNum?: number;
  sarTotalSegments?: number;
  sarSegmentSeqnum?: number;
  /** §5.3.2.31, network type and 16-bit code. */
  networkErrorCode?: Buffer;
  /** By tag; also a known one whose length is not the standard's. */
  others?: Map<number, Buffer>;
}

export const TLV_TAG = {
  receipted_message_id: 0x001e,
  user_message_reference: 0x0204,
  sar_msg_ref_num: 0x020c,
  sar_total_segments: 0x020e,
  sar_segment_seqnum: 0x020f,
  sc_interface_version: 0x0210,
  network_error_code: 0x0423,
  message_payload: 0x0424,
  message_state: 0x0427,
} as const;

const TLV_HEADER_BYTES = 4;
/** A TLV's length field has 16 bits. */
const MAX_TLV_BYTES = 0xffff;

/** An upper bound, in bytes, of what `writeTlvs` writes. */
export function tlvsSizeBound(tlvs: Tlvs): number {
  let size = 0;
  if (tlvs.receiptedMessageId !== undefined) size += TLV_HEADER_BYTES + tlvs.receiptedMessageId.length + 1;
  if (tlvs.messagePayload !== undefined) size += TLV_HEADER_BYTES + tlvs.messagePayload.length;
  if (tlvs.networkErrorCode !== undefined) size += TLV_HEADER_BYTES + tlvs.networkErrorCode.length;
  if (tlvs.messageState !== undefined) size += TLV_HEADER_BYTES + 1;
  if (tlvs.userMessageReference !== undefined) size += TLV_HEADER_BYTES + 2;
  if (tlvs.sarMsgRefNum !== undefined) size += TLV_HEADER_BYTES + 2;
  if (tlvs.sarTotalSegments !== undefined) size += TLV_HEADER_BYTES + 1;
  if (tlvs.sarSegmentSeqnum !== undefined) size += TLV_HEADER_BYTES + 1;
  if (tlvs.others !== undefined) for (const value of tlvs.others.values()) size += TLV_HEADER_BYTES + value.length;
  return size;
}

/** Throws a RangeError for a value over 65,535 bytes: the caller's fault, the length field cannot say it. */
export function writeTlvs(writer: FieldWriter, tlvs: Tlvs): void {
  if (tlvs.receiptedMessageId !== undefined) {
    writeHeader(writer, TLV_TAG.receipted_message_id, tlvs.receiptedMessageId.length + 1);
    writer.string(tlvs.receiptedMessageId);
  }
  writeUint16(writer, TLV_TAG.user_message_reference, tlvs.userMessageReference);
  writeUint16(writer, TLV_TAG.sar_msg_ref_num, tlvs.sarMsgRefNum);
  writeUint8(writer, TLV_TAG.sar_total_segments, tlvs.sarTotalSegments);
  writeUint8(writer, TLV_TAG.sar_segment_seqnum, tlvs.sarSegmentSeqnum);
  writeOctets(writer, TLV_TAG.network_error_code, tlvs.networkErrorCode);
  writeUint8(writer, TLV_TAG.message_state, tlvs.messageState);
  writeOctets(writer, TLV_TAG.message_payload, tlvs.messagePayload);
  if (tlvs.others !== undefined) for (const [tag, value] of tlvs.others) writeOctets(writer, tag, value);
}

function writeHeader(writer: FieldWriter, tag: number, length: number): void {
  if (length > MAX_TLV_BYTES) throw new RangeError(`optional parameter 0x${tag.toString(16)} of ${length} bytes`);
  writer.uint16(tag);
  writer.uint16(length);
}

function writeUint8(writer: FieldWriter, tag: number, value: number | undefined): void {
  if (value === undefined) return;
  writeHeader(writer, tag, 1);
  writer.uint8(value);
}

function writeUint16(writer: FieldWriter, tag: number, value: number | undefined): void {
  if (value === undefined) return;
  writeHeader(writer, tag, 2);
  writer.uint16(value);
}

function writeOctets(writer: FieldWriter, tag: number, value: Uint8Array | undefined): void {
  if (value === undefined) return;
  writeHeader(writer, tag, value.length);
  writer.octets(value);
}

/** Everything from `at` to the end; values are views of `bytes`. Stops at the first parameter that does not fit. */
export function readTlvs(bytes: Buffer, at: number): Tlvs {
  const tlvs: Tlvs = {};
  let position = at;
  while (bytes.length - position >= TLV_HEADER_BYTES) {
    const tag = bytes.readUInt16BE(position);
    const start = position + TLV_HEADER_BYTES;
    const end = start + bytes.readUInt16BE(position + 2);
    if (end > bytes.length) break;
    readTlv(tlvs, tag, bytes, start, end);
    position = end;
  }
  return tlvs;
}

function readTlv(tlvs: Tlvs, tag: number, bytes: Buffer, start: number, end: number): void {
  const length = end - start;
  if (tag === TLV_TAG.receipted_message_id) {
    const nul = bytes.indexOf(0, start);
    tlvs.receiptedMessageId = bytes.toString('latin1', start, nul === -1 || nul > end ? end : nul);
  } else if (tag === TLV_TAG.message_payload) {
    tlvs.messagePayload = bytes.subarray(start, end);
  } else if (tag === TLV_TAG.network_error_code) {
    tlvs.networkErrorCode = bytes.subarray(start, end);
  } else if (tag === TLV_TAG.message_state && length === 1) {
    tlvs.messageState = bytes.readUInt8(start);
  } else if (tag === TLV_TAG.user_message_reference && length === 2) {
    tlvs.userMessageReference = bytes.readUInt16BE(start);
  } else if (tag === TLV_TAG.sar_msg_ref_num && length === 2) {
    tlvs.sarMsgRefNum = bytes.readUInt16BE(start);
  } else if (tag === TLV_TAG.sar_total_segments && length === 1) {
    tlvs.sarTotalSegments = bytes.readUInt8(start);
  } else if (tag === TLV_TAG.sar_segment_seqnum && length === 1) {
    tlvs.sarSegmentSeqnum = bytes.readUInt8(start);
  } else {
    tlvs.others ??= new Map();
    tlvs.others.set(tag, bytes.subarray(start, end));
  }
}
