/**
 * RTP packets (RFC 3550 §5.1) to and from bytes. Reading never throws: what is no RTP packet, RTCP included, is
 * `undefined`. Contributing sources, header extensions and padding are skipped and never written.
 */

export interface RtpPacket {
  /** 0 to 127. */
  payloadType: number;
  marker: boolean;
  /** 16 bits. */
  sequence: number;
  /** 32 bits, in sampling periods of the payload. */
  timestamp: number;
  /** 32 bits. */
  ssrc: number;
  /** When read, a view of the datagram. */
  payload: Buffer;
}

export const RTP_HEADER_BYTES = 12;
const VERSION = 2;
const PADDING_FLAG = 0x20;
const EXTENSION_FLAG = 0x10;
const CSRC_COUNT_MASK = 0x0f;
const MARKER_FLAG = 0x80;
const WORD_BYTES = 4;
/** RFC 5761 §4: a second octet of 192 to 223 is an RTCP packet type, never a marker and payload type. */
const FIRST_RTCP_TYPE = 192;
const LAST_RTCP_TYPE = 223;

/** Writes the twelve octets of a header without CSRC, extension and padding. */
export function writeRtpHeader(header: Omit<RtpPacket, 'payload'>, target: Buffer): void {
  target[0] = VERSION << 6;
  target[1] = (header.marker ? MARKER_FLAG : 0) | (header.payloadType & 0x7f);
  target.writeUInt16BE(header.sequence & 0xffff, 2);
  target.writeUInt32BE(header.timestamp >>> 0, 4);
  target.writeUInt32BE(header.ssrc >>> 0, 8);
}

export function writeRtp(packet: RtpPacket): Buffer {
  const bytes = Buffer.allocUnsafe(RTP_HEADER_BYTES + packet.payload.length);
  writeRtpHeader(packet, bytes);
  packet.payload.copy(bytes, RTP_HEADER_BYTES);
  return bytes;
}

export function readRtp(datagram: Buffer): RtpPacket | undefined {
  if (datagram.length < RTP_HEADER_BYTES) return undefined;
  const flags = datagram.readUInt8(0);
  const second = datagram.readUInt8(1);
  if (flags >> 6 !== VERSION || (second >= FIRST_RTCP_TYPE && second <= LAST_RTCP_TYPE)) return undefined;
  let start = RTP_HEADER_BYTES + WORD_BYTES * (flags & CSRC_COUNT_MASK);
  if ((flags & EXTENSION_FLAG) !== 0) {
    // §5.3.1: 16 bits of the profile's own, then the length in words, these four octets not counted.
    if (datagram.length < start + WORD_BYTES) return undefined;
    start += WORD_BYTES + WORD_BYTES * datagram.readUInt16BE(start + 2);
  }
  let end = datagram.length;
  if ((flags & PADDING_FLAG) !== 0) {
    const padding = datagram.readUInt8(end - 1);
    if (padding === 0) return undefined;
    end -= padding;
  }
  if (start > end) return undefined;
  return {
    payloadType: second & 0x7f,
    marker: (second & MARKER_FLAG) !== 0,
    sequence: datagram.readUInt16BE(2),
    timestamp: datagram.readUInt32BE(4),
    ssrc: datagram.readUInt32BE(8),
    payload: datagram.subarray(start, end),
  };
}
