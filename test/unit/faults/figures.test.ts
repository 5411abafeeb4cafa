import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Figures, commandOf, figuresOf, passes } from '../../faults/figures.ts';

const KEYS = [
  'seed',
  'faults',
  'accepted',
  'unanswered',
  'lost',
  'deliveredTwice',
  'deliveredTwiceBound',
  'unexpected',
  'chargedTwice',
  'refundMissing',
  'withoutFinalState',
  'callbacksMissing',
  'balanceDifference',
  'slowestRecoveryMs',
] as const satisfies readonly (keyof Figures)[];
/** Each means that something was lost, doubled or forgotten. */
const FAULTS = [...KEYS.slice(4, 5), ...KEYS.slice(7, 13)];

const comparison = {
  accepted: 10,
  unanswered: 1,
  lost: 0,
  deliveredTwice: 2,
  unexpected: 0,
  chargedTwice: 0,
  refundMissing: 0,
  withoutFinalState: 0,
  callbacksMissing: 0,
  balanceDifference: 0,
  calls: 0,
  callsAnswered: 0,
  inDoubt: 0,
  findings: [],
};
const recoveries = [{ description: 'node-1: kill -9', durationMs: 900, waitedFor: 'node-1' as const, with: [] }];
const good = figuresOf({ seed: 7 }, { comparison, faults: 3, deliveredTwiceBound: 2, recoveries });
const fine = { unexpectedEnds: [] };
const ASKED = 40;

test('the figures of a run are printed under their names and in their order', () => {
  assert.deepEqual(Object.keys(JSON.parse(JSON.stringify(good)) as object), KEYS);
  assert.equal(
    JSON.stringify(good),
    '{"seed":7,"faults":3,"accepted":10,"unanswered":1,"lost":0,"deliveredTwice":2,"deliveredTwiceBound":2,' +
      '"unexpected":0,"chargedTwice":0,"refundMissing":0,"withoutFinalState":0,"callbacksMissing":0,' +
      '"balanceDifference":0,"slowestRecoveryMs":900}',
  );
});

test('a run passes until one of the figures that must be 0 is not', () => {
  assert.ok(passes(good, fine, ASKED));
  for (const name of FAULTS) assert.ok(!passes({ ...good, [name]: 1 }, fine, ASKED), name);
  assert.equal(FAULTS.length, 7);
});

test('a run fails with more doubles than the bound, a recovery that never came, or a process that ended', () => {
  assert.ok(!passes({ ...good, deliveredTwice: 3 }, fine, ASKED));
  const never = [
    { description: 'node-1: kill -9', durationMs: Number.POSITIVE_INFINITY, waitedFor: 'node-1' as const, with: [] },
  ];
  assert.ok(
    !passes(figuresOf({ seed: 7 }, { comparison, faults: 3, deliveredTwiceBound: 2, recoveries: never }), fine, ASKED),
  );
  assert.ok(!passes(good, { unexpectedEnds: ['node-2 ended with 1'] }, ASKED));
});

test('a run that met no fault, or in which hardly anything was accepted, shows nothing and fails', () => {
  assert.ok(!passes({ ...good, faults: 0 }, fine, ASKED));
  assert.ok(!passes({ ...good, accepted: 9 }, fine, ASKED));
});

test('the command of a failed run names all that it follows from', () => {
  const command = commandOf({ seed: 7, seconds: 30, rate: 900 });
  assert.equal(command, 'npm run test:faults -- --seed 7 --seconds 30 --rate 900');
});
