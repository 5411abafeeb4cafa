/** What becomes of an operator's words. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import {
  isFinalReceipt,
  isSuccess,
  STATES,
  stateOfCommandStatus,
  stateOfMessageState,
  stateOfReceipt,
  worseState,
} from '../../../src/domain/states.ts';

const SECTION_8 =
  'DELIVRD EXPIRED DELETED UNDELIV ACCEPTD UNKNOWN REJECTD SYNTAXE MOBERROR MSGERROR OTERROR REJERROR REJMOBIL';

test('the states are those of section 8, and only DELIVRD is a success', () => {
  assert.equal(STATES.join(' '), SECTION_8);
  assert.deepEqual(STATES.filter(isSuccess), ['DELIVRD']);
});

test('each stat of a receipt is a state, in any case and spelling', () => {
  for (const stat of ['DELIVRD', 'EXPIRED', 'DELETED', 'UNDELIV', 'ACCEPTD', 'UNKNOWN', 'REJECTD'] as const) {
    assert.equal(stateOfReceipt(stat), stat);
    assert.equal(stateOfReceipt(` ${stat.toLowerCase()} `), stat);
  }
  assert.equal(stateOfReceipt('DELIVERED'), 'DELIVRD');
  assert.equal(stateOfReceipt('UNDELIVERABLE'), 'UNDELIV');
  assert.equal(stateOfReceipt('FAILED'), 'UNDELIV');
  for (const stat of ['ENROUTE', 'SCHEDULED', 'BUFFERED', '', 'what?', 'constructor']) {
    assert.equal(stateOfReceipt(stat), 'pending', stat);
  }
});

test('each message_state is a state', () => {
  const states = Array.from({ length: 11 }, (_, messageState) => stateOfMessageState(messageState));
  const expected = 'pending pending DELIVRD EXPIRED DELETED UNDELIV ACCEPTD UNKNOWN REJECTD UNDELIV pending'.split(' ');
  assert.deepEqual(states, expected);
});

test('ACCEPTD and pending do not end a segment, every other receipt does', () => {
  assert.equal(isFinalReceipt('pending'), false);
  assert.deepEqual(
    STATES.filter((state) => !isFinalReceipt(state)),
    ['ACCEPTD'],
  );
});

test('a message is DELIVRD only if all its segments are, whatever their order', () => {
  const state = fc.constantFrom(...STATES);
  fc.assert(
    fc.property(state, state, state, (a, b, c) => {
      assert.equal(worseState(a, b), worseState(b, a));
      assert.equal(worseState(worseState(a, b), c), worseState(a, worseState(b, c)));
      assert.equal(isSuccess(worseState(a, b)), isSuccess(a) && isSuccess(b));
      assert.ok([a, b].includes(worseState(a, b)));
    }),
  );
  assert.equal(worseState('UNKNOWN', 'UNDELIV'), 'UNDELIV');
  assert.equal(worseState('EXPIRED', 'MOBERROR'), 'MOBERROR');
});

test("each command_status of the design's table has its meaning", () => {
  const table: [meaning: string, statuses: number[]][] = [
    ['MOBERROR', [0x0b, 0x50]],
    ['MSGERROR', [0x01, 0x05]],
    ['SYNTAXE', [0x02, 0x03, 0x04]],
    ['REJECTD', [0x0a, 0x45]],
    ['REJMOBIL', [0x0480]],
    ['OTERROR', [0xff]],
    ['retry', [0x08, 0x64]],
    ['throttled', [0x58]],
    ['queue-full', [0x14]],
  ];
  for (const [meaning, statuses] of table) {
    for (const status of statuses) assert.equal(stateOfCommandStatus(status, {}), meaning, `0x${status.toString(16)}`);
  }
});

test("an operator's own table goes first, and a code in neither is OTERROR", () => {
  assert.equal(stateOfCommandStatus(0x0b, { '0xb': 'retry' }), 'retry');
  assert.equal(stateOfCommandStatus(0x0b, { '0x450': 'REJMOBIL' }), 'MOBERROR');
  assert.equal(stateOfCommandStatus(0x450, { '0x450': 'REJMOBIL' }), 'REJMOBIL');
  for (const status of [0x06, 0x0d, 0x65, 0x400, 0xffffffff]) assert.equal(stateOfCommandStatus(status, {}), 'OTERROR');
  assert.throws(() => stateOfCommandStatus(0, {}));
});
