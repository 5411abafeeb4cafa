/** query_sm and its response (SMPP 3.4 §4.8): what became of one message. */
import type { PduHeader } from './command.ts';
import type { FieldReader, FieldWriter } from './fields.ts';
import { type Address, readAddress, writeAddress } from './short-message.ts';

export interface QueryPdu extends PduHeader {
  command: 'query_sm';
  messageId: string;
  /** As in the submit_sm the message came with. */
  source: Address;
}

export interface QueryRespPdu extends PduHeader {
  command: 'query_sm_resp';
  messageId: string;
  /** Absolute time of §7.1.1, empty while there is no final state. */
  finalDate: string;
  /** §5.2.28; 0 when the peer left it out. */
  messageState: number;
  errorCode: number;
}

/** NULs and integers of either body. */
const FIXED_BYTES = 8;

export function querySizeBound(pdu: QueryPdu): number {
  return FIXED_BYTES + pdu.messageId.length + pdu.source.digits.length;
}

export function writeQuery(writer: FieldWriter, pdu: QueryPdu): void {
  writer.string(pdu.messageId);
  writeAddress(writer, pdu.source);
}

export function readQuery(reader: FieldReader, { sequence, status }: PduHeader): QueryPdu {
  return { command: 'query_sm', sequence, status, messageId: reader.string(), source: readAddress(reader) };
}

export function queryRespSizeBound(pdu: QueryRespPdu): number {
  return FIXED_BYTES + pdu.messageId.length + pdu.finalDate.length;
}

export function writeQueryResp(writer: FieldWriter, pdu: QueryRespPdu): void {
  writer.string(pdu.messageId);
  writer.string(pdu.finalDate);
  writer.uint8(pdu.messageState);
  writer.uint8(pdu.errorCode);
}

export function readQueryResp(reader: FieldReader, { sequence, status }: PduHeader): QueryRespPdu {
  return {
    command: 'query_sm_resp',
    sequence,
    status,
    messageId: reader.string(),
    finalDate: reader.string(),
    messageState: reader.uint8(),
    errorCode: reader.uint8(),
  };
}
