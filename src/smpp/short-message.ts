/**
 * The body that submit_sm (SMPP 3.4 §4.4.1), deliver_sm (§4.6.1) and, without its times, data_sm (§4.7.1) share.
 * Says nothing about the text inside: alphabets and segments are the caller's.
 */
import type { FieldReader, FieldWriter } from './fields.ts';
import { readTlvs, type Tlvs, tlvsSizeBound, writeTlvs } from './tlv.ts';

export interface Address {
  ton: number;
  npi: number;
  digits: string;
}

/**
 * One short message. When read from the wire, `shortMessage` and the buffers of `tlvs` are views of the received
 * chunk: copy what outlives the handler for long. Read the content with `messageBytes`.
 */
export interface ShortMessageFields {
  serviceType: string;
  source: Address;
  destination: Address;
  esmClass: number;
  protocolId: number;
  priorityFlag: number;
  scheduleDeliveryTime: string;
  validityPeriod: string;
  registeredDelivery: number;
  replaceIfPresent: number;
  dataCoding: number;
  defaultMessageId: number;
  /** Over 254 bytes (§5.2.21) it goes out as message_payload, and arrives as that. */
  shortMessage: Buffer;
  tlvs: Tlvs;
}

const MAX_SHORT_MESSAGE_BYTES = 254;
/** Integers, NULs, and the header of the message_payload a long short_message turns into. */
const FIXED_BYTES = 32;
const EMPTY = Buffer.alloc(0);

/** The content: short_message, or message_payload when that is empty (§5.3.2.32). A view, not a copy. */
export function messageBytes(message: ShortMessageFields): Buffer {
  if (message.shortMessage.length > 0) return message.shortMessage;
  return message.tlvs.messagePayload ?? message.shortMessage;
}

/** An upper bound, in bytes, of what the two writers write. */
export function shortMessageSizeBound(message: ShortMessageFields): number {
  return (
    FIXED_BYTES +
    message.serviceType.length +
    message.source.digits.length +
    message.destination.digits.length +
    message.scheduleDeliveryTime.length +
    message.validityPeriod.length +
    message.shortMessage.length +
    tlvsSizeBound(message.tlvs)
  );
}

export function writeShortMessage(writer: FieldWriter, message: ShortMessageFields): void {
  const { shortMessage } = message;
  writeEnvelope(writer, message);
  writer.uint8(message.protocolId);
  writer.uint8(message.priorityFlag);
  writer.string(message.scheduleDeliveryTime);
  writer.string(message.validityPeriod);
  writer.uint8(message.registeredDelivery);
  writer.uint8(message.replaceIfPresent);
  writer.uint8(message.dataCoding);
  writer.uint8(message.defaultMessageId);
  if (shortMessage.length > MAX_SHORT_MESSAGE_BYTES) {
    writer.uint8(0);
    writeTlvs(writer, withPayload(message));
    return;
  }
  writer.uint8(shortMessage.length);
  writer.octets(shortMessage);
  writeTlvs(writer, message.tlvs);
}

/** data_sm has no short_message: the content always travels as message_payload. */
export function writeDataMessage(writer: FieldWriter, message: ShortMessageFields): void {
  writeEnvelope(writer, message);
  writer.uint8(message.registeredDelivery);
  writer.uint8(message.dataCoding);
  writeTlvs(writer, message.shortMessage.length > 0 ? withPayload(message) : message.tlvs);
}

function withPayload(message: ShortMessageFields): Tlvs {
  if (message.tlvs.messagePayload !== undefined) throw new RangeError('both short_message and message_payload');
  return { ...message.tlvs, messagePayload: message.shortMessage };
}

function writeEnvelope(writer: FieldWriter, message: ShortMessageFields): void {
  writer.string(message.serviceType);
  writeAddress(writer, message.source);
  writeAddress(writer, message.destination);
  writer.uint8(message.esmClass);
}

export function writeAddress(writer: FieldWriter, address: Address): void {
  writer.uint8(address.ton);
  writer.uint8(address.npi);
  writer.string(address.digits);
}

export function readAddress(reader: FieldReader): Address {
  return { ton: reader.uint8(), npi: reader.uint8(), digits: reader.string() };
}

/** Leaves `reader.truncated` set when the mandatory fields were not all there. */
export function readShortMessage(reader: FieldReader): ShortMessageFields {
  return {
    serviceType: reader.string(),
    source: readAddress(reader),
    destination: readAddress(reader),
    esmClass: reader.uint8(),
    protocolId: reader.uint8(),
    priorityFlag: reader.uint8(),
    scheduleDeliveryTime: reader.string(),
    validityPeriod: reader.string(),
    registeredDelivery: reader.uint8(),
    replaceIfPresent: reader.uint8(),
    dataCoding: reader.uint8(),
    defaultMessageId: reader.uint8(),
    shortMessage: reader.octets(reader.uint8()),
    tlvs: readTlvs(reader.bytes, reader.at),
  };
}

/** The fields that data_sm lacks are zero or empty. */
export function readDataMessage(reader: FieldReader): ShortMessageFields {
  const serviceType = reader.string();
  const source = readAddress(reader);
  const destination = readAddress(reader);
  const esmClass = reader.uint8();
  const registeredDelivery = reader.uint8();
  const dataCoding = reader.uint8();
  return {
    serviceType,
    source,
    destination,
    esmClass,
    protocolId: 0,
    priorityFlag: 0,
    scheduleDeliveryTime: '',
    validityPeriod: '',
    registeredDelivery,
    replaceIfPresent: 0,
    dataCoding,
    defaultMessageId: 0,
    shortMessage: EMPTY,
    tlvs: readTlvs(reader.bytes, reader.at),
  };
}
