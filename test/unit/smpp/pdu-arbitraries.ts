/** Arbitrary PDUs for property tests, of every command and every optional field. */
import fc from 'fast-check';
import { COMMAND, type Pdu, type ShortMessageFields, type Tlvs } from '../../../src/smpp/pdu.ts';
import { TLV_TAG } from '../../../src/smpp/tlv.ts';

const uint8 = fc.integer({ min: 0, max: 0xff });
const uint16 = fc.integer({ min: 0, max: 0xffff });
/** C-octet strings hold any byte but NUL, and may be longer than the standard allows. */
const cString = fc.string({
  unit: fc.integer({ min: 1, max: 0xff }).map((code) => String.fromCharCode(code)),
  maxLength: 80,
});
const octets = (maxLength: number): fc.Arbitrary<Buffer> =>
  fc.uint8Array({ maxLength }).map((bytes) => Buffer.from(bytes));

const knownTags = new Set<number>(Object.values(TLV_TAG));
const otherTag = uint16.filter((tag) => tag === TLV_TAG.sc_interface_version || !knownTags.has(tag));

/** With an ordinary prototype, as decoded objects have. */
function record<T>(values: { [K in keyof T]: fc.Arbitrary<T[K]> }): fc.Arbitrary<T> {
  return fc.record(values, { noNullPrototype: true }) as fc.Arbitrary<T>;
}

function optional<T>(values: { [K in keyof T]: fc.Arbitrary<T[K]> }): fc.Arbitrary<Partial<T>> {
  return fc.record(values, { requiredKeys: [], noNullPrototype: true }) as fc.Arbitrary<Partial<T>>;
}

const tlvs: fc.Arbitrary<Tlvs> = optional<Required<Tlvs>>({
  receiptedMessageId: cString,
  messageState: uint8,
  userMessageReference: uint16,
  messagePayload: octets(400),
  sarMsgRefNum: uint16,
  sarTotalSegments: uint8,
  sarSegmentSeqnum: uint8,
  networkErrorCode: octets(5),
  others: fc.array(fc.tuple(otherTag, octets(20)), { minLength: 1, maxLength: 3 }).map((entries) => new Map(entries)),
});

const address = record({ ton: uint8, npi: uint8, digits: cString });

const message: fc.Arbitrary<ShortMessageFields> = record({
  serviceType: cString,
  source: address,
  destination: address,
  esmClass: uint8,
  protocolId: uint8,
  priorityFlag: uint8,
  scheduleDeliveryTime: cString,
  validityPeriod: cString,
  registeredDelivery: uint8,
  replaceIfPresent: uint8,
  dataCoding: uint8,
  defaultMessageId: uint8,
  shortMessage: octets(254),
  tlvs,
});

/** What data_sm can carry. */
const dataMessage = message.map((fields) => ({
  ...fields,
  protocolId: 0,
  priorityFlag: 0,
  scheduleDeliveryTime: '',
  validityPeriod: '',
  replaceIfPresent: 0,
  defaultMessageId: 0,
  shortMessage: Buffer.alloc(0),
}));

const header = {
  sequence: fc.integer({ min: 0, max: 0x7fffffff }),
  status: fc.oneof(fc.constant(0), fc.integer({ min: 0, max: 0xffffffff })),
};

export const anyPdu: fc.Arbitrary<Pdu> = fc.oneof(
  record({ command: fc.constantFrom('submit_sm' as const, 'deliver_sm' as const), ...header, message }),
  record({ command: fc.constant('data_sm' as const), ...header, message: dataMessage }),
  record({
    command: fc.constantFrom('submit_sm_resp' as const, 'deliver_sm_resp' as const, 'data_sm_resp' as const),
    ...header,
    messageId: cString,
  }),
  record({
    command: fc.constantFrom('bind_receiver' as const, 'bind_transmitter' as const, 'bind_transceiver' as const),
    ...header,
    systemId: cString,
    password: cString,
    systemType: cString,
    interfaceVersion: uint8,
    addrTon: uint8,
    addrNpi: uint8,
    addressRange: cString,
  }),
  record({
    command: fc.constantFrom(
      'bind_receiver_resp' as const,
      'bind_transmitter_resp' as const,
      'bind_transceiver_resp' as const,
    ),
    ...header,
    systemId: cString,
    tlvs,
  }),
  record({ command: fc.constant('query_sm' as const), ...header, messageId: cString, source: address }),
  record({
    command: fc.constant('query_sm_resp' as const),
    ...header,
    messageId: cString,
    finalDate: cString,
    messageState: uint8,
    errorCode: uint8,
  }),
  record({ command: fc.constant('outbind' as const), ...header, systemId: cString, password: cString }),
  record({
    command: fc.constantFrom(
      'enquire_link' as const,
      'enquire_link_resp' as const,
      'unbind' as const,
      'unbind_resp' as const,
      'generic_nack' as const,
    ),
    ...header,
  }),
);

/** A frame with a right length and a known command, and any body. */
export const anyFrame: fc.Arbitrary<Buffer> = fc
  .tuple(
    fc.oneof(fc.constantFrom(...Object.values(COMMAND)), fc.integer({ min: 0, max: 0xffffffff })),
    fc.integer({ min: 0, max: 0xffffffff }),
    octets(120),
  )
  .map(([commandId, sequence, body]) => {
    const header16 = Buffer.alloc(16);
    header16.writeUInt32BE(16 + body.length, 0);
    header16.writeUInt32BE(commandId, 4);
    header16.writeUInt32BE(sequence, 12);
    return Buffer.concat([header16, body]);
  });
