/**
 * Bytes that went over a line as a file that packet decoders read (pcap, libpcap's savefile(5)): IPv4 packets with TCP
 * segments or UDP datagrams around them. Checksums are left at zero; decoders do not look at them unless told.
 */
export interface Endpoint {
  /** Dotted. */
  address: string;
  port: number;
}

export interface Packet {
  /** Since any moment that is the same for all packets of a file. */
  atMs: number;
  from: Endpoint;
  to: Endpoint;
  payload: Buffer;
  /** Without it the packet is a UDP datagram. */
  tcp?: { sequence: number; acknowledgment: number; flags: number };
}

/** RFC 9293 §3.1. */
export const TCP_FLAG = { FIN: 0x01, SYN: 0x02, PSH: 0x08, ACK: 0x10 } as const;

const MAGIC_MICROSECONDS = 0xa1b2c3d4;
const MAX_PACKET_BYTES = 262_144;
/** LINKTYPE_RAW: the packet begins with its IP header. */
const LINK_RAW = 101;
const FILE_HEADER_BYTES = 24;
const RECORD_HEADER_BYTES = 16;
const IP_HEADER_BYTES = 20;
const TCP_HEADER_BYTES = 20;
const UDP_HEADER_BYTES = 8;
const IPV4_NO_OPTIONS = 0x45;
const TIME_TO_LIVE = 64;
const PROTOCOL_TCP = 6;
const PROTOCOL_UDP = 17;
const TCP_WINDOW = 0xffff;

export function packetFile(packets: readonly Packet[]): Buffer {
  const header = Buffer.alloc(FILE_HEADER_BYTES);
  header.writeUInt32LE(MAGIC_MICROSECONDS, 0);
  header.writeUInt16LE(2, 4);
  header.writeUInt16LE(4, 6);
  header.writeUInt32LE(MAX_PACKET_BYTES, 16);
  header.writeUInt32LE(LINK_RAW, 20);
  return Buffer.concat([header, ...packets.flatMap(record)]);
}

function record(packet: Packet): Buffer[] {
  const transport = packet.tcp === undefined ? udpHeader(packet) : tcpHeader(packet, packet.tcp);
  const length = IP_HEADER_BYTES + transport.length + packet.payload.length;
  const header = Buffer.alloc(RECORD_HEADER_BYTES);
  header.writeUInt32LE(Math.floor(packet.atMs / 1_000), 0);
  header.writeUInt32LE(Math.floor((packet.atMs % 1_000) * 1_000), 4);
  header.writeUInt32LE(length, 8);
  header.writeUInt32LE(length, 12);
  return [header, ipHeader(packet, length), transport, packet.payload];
}

/** RFC 791 §3.1. */
function ipHeader({ from, to, tcp }: Packet, length: number): Buffer {
  const header = Buffer.alloc(IP_HEADER_BYTES);
  header.writeUInt8(IPV4_NO_OPTIONS, 0);
  header.writeUInt16BE(length, 2);
  header.writeUInt8(TIME_TO_LIVE, 8);
  header.writeUInt8(tcp === undefined ? PROTOCOL_UDP : PROTOCOL_TCP, 9);
  header.set(from.address.split('.').map(Number), 12);
  header.set(to.address.split('.').map(Number), 16);
  return header;
}

function udpHeader({ from, to, payload }: Packet): Buffer {
  const header = Buffer.alloc(UDP_HEADER_BYTES);
  header.writeUInt16BE(from.port, 0);
  header.writeUInt16BE(to.port, 2);
  header.writeUInt16BE(UDP_HEADER_BYTES + payload.length, 4);
  return header;
}

function tcpHeader({ from, to }: Packet, tcp: NonNullable<Packet['tcp']>): Buffer {
  const header = Buffer.alloc(TCP_HEADER_BYTES);
  header.writeUInt16BE(from.port, 0);
  header.writeUInt16BE(to.port, 2);
  header.writeUInt32BE(tcp.sequence, 4);
  header.writeUInt32BE(tcp.acknowledgment, 8);
  header.writeUInt8((TCP_HEADER_BYTES / 4) << 4, 12);
  header.writeUInt8(tcp.flags, 13);
  header.writeUInt16BE(TCP_WINDOW, 14);
  return header;
}
