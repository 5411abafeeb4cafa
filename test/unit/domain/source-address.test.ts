import assert from 'node:assert/strict';
import { test } from 'node:test';
import { sourceAddressOf } from '../../../src/domain/source-address.ts';
import { encodePdu } from '../../../src/smpp/pdu.ts';
import { sampleMessage } from '../smpp/sample-message.ts';

const OPERATORS = { sourceAddress: '0222333', sourceTon: 2, sourceNpi: 8 };

/** source_addr_ton, source_addr_npi and source_addr as they stand in a submit_sm (SMPP 3.4 §4.4.1). */
function onTheWire(accountsOwn: string | undefined): Buffer {
  const message = sampleMessage({ serviceType: '', source: sourceAddressOf(accountsOwn, OPERATORS) });
  const bytes = encodePdu({ command: 'submit_sm', sequence: 1, status: 0, message });
  // After the header and an empty service_type.
  return bytes.subarray(17, bytes.indexOf(0, 19) + 1);
}

for (const { sender, ton, npi, address, why } of [
  { sender: undefined, ton: 2, npi: 8, address: '0222333', why: "without one of the account's, the operator's" },
  { sender: 'SHOP', ton: 5, npi: 0, address: 'SHOP', why: 'a name is alphanumeric' },
  { sender: '24h Bank', ton: 5, npi: 0, address: '24h Bank', why: 'a name with digits in it is alphanumeric' },
  {
    sender: '886911222333',
    ton: 1,
    npi: 1,
    address: '886911222333',
    why: 'a number with country code is international',
  },
  {
    sender: '+6581234567',
    ton: 1,
    npi: 1,
    address: '6581234567',
    why: 'and so is one with a plus sign, which is left out',
  },
  { sender: '12345', ton: 2, npi: 8, address: '12345', why: 'a short code is what the operator says its numbers are' },
  { sender: '0911222333', ton: 2, npi: 8, address: '0911222333', why: 'and so is a number in national form' },
]) {
  test(`${sender ?? 'no sender'} of an account goes as ${address}, TON ${ton} NPI ${npi}: ${why}`, () => {
    assert.deepEqual(onTheWire(sender), Buffer.from([ton, npi, ...Buffer.from(address, 'latin1'), 0]));
  });
}
