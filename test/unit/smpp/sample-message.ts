/** A plain short message for tests, with what a test cares about replaced. */
import type { ShortMessageFields } from '../../../src/smpp/pdu.ts';

export function sampleMessage(changes: Partial<ShortMessageFields> = {}): ShortMessageFields {
  return {
    serviceType: '',
    source: { ton: 5, npi: 0, digits: 'FEIGE' },
    destination: { ton: 1, npi: 1, digits: '886912345678' },
    esmClass: 0,
    protocolId: 0,
    priorityFlag: 0,
    scheduleDeliveryTime: '',
    validityPeriod: '000001000000000R',
    registeredDelivery: 1,
    replaceIfPresent: 0,
    dataCoding: 0,
    defaultMessageId: 0,
    shortMessage: Buffer.from('hello'),
    tlvs: {},
    ...changes,
  };
}
