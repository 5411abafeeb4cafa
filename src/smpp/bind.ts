/** The three bind operations and outbind (SMPP 3.4 §4.1): the request for a session, and the answer. */
import { COMMAND, type PduHeader } from './command.ts';
import type { FieldReader, FieldWriter } from './fields.ts';
import { readTlvs, type Tlvs, tlvsSizeBound, writeTlvs } from './tlv.ts';

export type BindMode = 'transceiver' | 'transmitter' | 'receiver';

/** §5.2.4: SMPP 3.4. */
export const INTERFACE_VERSION = 0x34;

const MODE_OF = {
  bind_receiver: 'receiver',
  bind_transmitter: 'transmitter',
  bind_transceiver: 'transceiver',
} as const;

export interface BindPdu extends PduHeader {
  command: 'bind_receiver' | 'bind_transmitter' | 'bind_transceiver';
  systemId: string;
  password: string;
  systemType: string;
  /** `INTERFACE_VERSION` for SMPP 3.4. */
  interfaceVersion: number;
  addrTon: number;
  addrNpi: number;
  addressRange: string;
}

export interface BindRespPdu extends PduHeader {
  command: 'bind_receiver_resp' | 'bind_transmitter_resp' | 'bind_transceiver_resp';
  systemId: string;
  tlvs: Tlvs;
}

export interface OutbindPdu extends PduHeader {
  command: 'outbind';
  systemId: string;
  password: string;
}

/** Bytes of the NULs and integers in any of these bodies. */
const FIXED_BYTES = 8;

export function bindModeOf(pdu: BindPdu): BindMode {
  return MODE_OF[pdu.command];
}

export function isBindId(commandId: number): boolean {
  return (
    commandId === COMMAND.bind_transceiver ||
    commandId === COMMAND.bind_transmitter ||
    commandId === COMMAND.bind_receiver
  );
}

export function bindSizeBound(pdu: BindPdu): number {
  return FIXED_BYTES + pdu.systemId.length + pdu.password.length + pdu.systemType.length + pdu.addressRange.length;
}

export function writeBind(writer: FieldWriter, pdu: BindPdu): void {
  writer.string(pdu.systemId);
  writer.string(pdu.password);
  writer.string(pdu.systemType);
  writer.uint8(pdu.interfaceVersion);
  writer.uint8(pdu.addrTon);
  writer.uint8(pdu.addrNpi);
  writer.string(pdu.addressRange);
}

export function readBind(reader: FieldReader, command: BindPdu['command'], { sequence, status }: PduHeader): BindPdu {
  return {
    command,
    sequence,
    status,
    systemId: reader.string(),
    password: reader.string(),
    systemType: reader.string(),
    interfaceVersion: reader.uint8(),
    addrTon: reader.uint8(),
    addrNpi: reader.uint8(),
    addressRange: reader.string(),
  };
}

export function bindRespSizeBound(pdu: BindRespPdu): number {
  return FIXED_BYTES + pdu.systemId.length + tlvsSizeBound(pdu.tlvs);
}

export function writeBindResp(writer: FieldWriter, pdu: BindRespPdu): void {
  writer.string(pdu.systemId);
  writeTlvs(writer, pdu.tlvs);
}

/** A refusal's body may be missing. */
export function readBindResp(
  reader: FieldReader,
  command: BindRespPdu['command'],
  { sequence, status }: PduHeader,
): BindRespPdu {
  const systemId = reader.string();
  return { command, sequence, status, systemId, tlvs: readTlvs(reader.bytes, reader.at) };
}

export function outbindSizeBound(pdu: OutbindPdu): number {
  return FIXED_BYTES + pdu.systemId.length + pdu.password.length;
}

export function writeOutbind(writer: FieldWriter, pdu: OutbindPdu): void {
  writer.string(pdu.systemId);
  writer.string(pdu.password);
}

export function readOutbind(reader: FieldReader, { sequence, status }: PduHeader): OutbindPdu {
  return { command: 'outbind', sequence, status, systemId: reader.string(), password: reader.string() };
}
