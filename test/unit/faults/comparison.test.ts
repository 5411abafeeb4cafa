import assert from 'node:assert/strict';
import { test } from 'node:test';
import { compare, type Comparison, type Evidence } from '../../faults/comparison.ts';
import { planCall, planMessage } from '../../faults/request-plan.ts';
import type { LoggedRequest, RequestOutcome } from '../../faults/request-log.ts';
import type { StoredMessage } from '../../faults/stored-facts.ts';

/** Serial 1 is a plain message, 3 a long one, 7 ends as UNDELIV, 15 is deleted. Call 1 has a telephone of its own. */
const MESSAGES = [1, 3, 7, 15];
const CALL_POINTS = 4;

function requestOf(planned: LoggedRequest['planned'], msgid: number): LoggedRequest {
  const deletion = planned.kind === 'message' && planned.deletes ? 'deleted' : undefined;
  const outcome: RequestOutcome = {
    kind: 'accepted',
    msgid,
    points: planned.kind === 'call' ? CALL_POINTS : undefined,
  };
  return { planned, node: 0, sentAtMs: 0, endedAtMs: 5, outcome, deletion };
}

function storedOf({ planned }: LoggedRequest, msgid: number): StoredMessage {
  const common = { serial: planned.serial, msgid, inDoubt: false, unitPoints: 2, unitSeconds: 5 };
  if (planned.kind === 'call') {
    const call = { state: 'FarEnd', seconds: 2, points: CALL_POINTS, refunded: 2, segments: 1, answeredAtMs: 2_000 };
    return { ...common, ...call, kind: 'call' };
  }
  const state = planned.deletes ? 'DELETED' : planned.expected;
  const refunded = state === 'DELIVRD' ? 0 : planned.segments;
  const { segments } = planned;
  return {
    ...common,
    kind: 'message',
    state,
    refunded,
    segments,
    points: segments,
    seconds: null,
    answeredAtMs: null,
  };
}

/** A run in which nothing went wrong. */
function goodRun() {
  const requests = [...MESSAGES.map((serial) => planMessage(serial)), planCall(1)].map((planned, index) =>
    requestOf(planned, 100 + index),
  );
  const messages = requests.map((request, index) => storedOf(request, 100 + index));
  const points = messages.reduce((sum, one) => sum + one.points, 0);
  const refunded = messages.reduce((sum, one) => sum + one.refunded, 0);
  return {
    requests,
    facts: {
      messages,
      toppedUp: 1_000,
      balance: 1_000 - points + refunded,
      charged: points,
      givenBack: refunded,
      chargedTooMuch: 0,
      mismatches: [] as unknown[],
    },
    arrivals: [
      { serial: 1, segment: 1, atMs: 10 },
      ...Array.from({ length: segmentsOf(3) }, (_, index) => ({ serial: 3, segment: index + 1, atMs: 10 })),
    ],
    callbacks: messages.map(({ serial, msgid, state }) => ({ serial, msgid, state: state ?? '' })),
    strangeCallbacks: [] as string[],
    telephoneCalls: [{ phone: '0930000001', startedAtMs: 1_000, answeredAtMs: 1_990 as number | undefined }],
    answers: messages.map(({ kind, msgid, state }) => ({ kind, msgid, state: state ?? undefined })),
  };
}

type Run = ReturnType<typeof goodRun>;

function segmentsOf(serial: number): number {
  const planned = planMessage(serial);
  return planned.kind === 'message' ? planned.segments : 0;
}

/** The figures that are not 0 when the run was changed so. */
function differences(change: (run: Run) => void): Partial<Comparison> {
  const run = goodRun();
  change(run);
  const { accepted: _, findings: __, calls: ___, callsAnswered: ____, ...figures } = compare(run as Evidence);
  return Object.fromEntries(Object.entries(figures).filter(([, value]) => value !== 0));
}

function change<Item extends object>(items: Item[], index: number, fields: Partial<Item>): void {
  Object.assign(items[index] ?? {}, fields);
}

test('a run in which nothing went wrong differs in nothing', () => {
  assert.deepEqual(
    differences(() => {}),
    {},
  );
  assert.equal(compare(goodRun() as Evidence).accepted, 5);
});

test('an accepted message that is not stored is lost, and so is its callback', () => {
  const found = differences((run) => {
    run.facts.messages.splice(0, 1);
    run.facts.charged -= 1;
    run.facts.balance += 1;
    run.arrivals.splice(0, 1);
    run.callbacks.splice(0, 1);
    run.answers.splice(0, 1);
  });
  assert.deepEqual(found, { lost: 1 });
});

test('a message told as delivered of which a segment is missing is lost', () => {
  assert.deepEqual(
    differences((run) => run.arrivals.pop()),
    { lost: 1 },
  );
});

test('a message that ends otherwise than its recipient decided is lost, unless its submit was in doubt', () => {
  const endsUnknown = (run: Run, inDoubt: boolean): void => {
    change(run.facts.messages, 0, { state: 'UNKNOWN', inDoubt });
    change(run.callbacks, 0, { state: 'UNKNOWN' });
    change(run.answers, 0, { state: 'UNKNOWN' });
  };
  assert.deepEqual(
    differences((run) => endsUnknown(run, false)),
    { lost: 1 },
  );
  const notArrived = differences((run) => {
    endsUnknown(run, true);
    run.arrivals.shift();
  });
  assert.deepEqual(notArrived, { inDoubt: 1 });
});

test('a message in doubt that is on the handset had a receipt, and must not end as UNKNOWN', () => {
  const found = differences((run) => {
    change(run.facts.messages, 0, { state: 'UNKNOWN', inDoubt: true });
    change(run.callbacks, 0, { state: 'UNKNOWN' });
    change(run.answers, 0, { state: 'UNKNOWN' });
  });
  assert.deepEqual(found, { lost: 1, inDoubt: 1 });
});

test('a segment that arrived twice was delivered twice', () => {
  assert.deepEqual(
    differences((run) => run.arrivals.push({ serial: 3, segment: 2, atMs: 99 })),
    { deliveredTwice: 1 },
  );
});

test('what was answered with an error and is stored all the same is unexpected', () => {
  assert.deepEqual(
    differences((run) => change(run.requests, 0, { outcome: { kind: 'error', code: '99998' } })),
    { unexpected: 1 },
  );
  assert.deepEqual(
    differences((run) => change(run.requests, 0, { outcome: { kind: 'refused' } })),
    { unexpected: 1 },
  );
});

test('a request without an answer may be stored or not', () => {
  assert.deepEqual(
    differences((run) => change(run.requests, 0, { outcome: { kind: 'unanswered' } })),
    { unanswered: 1 },
  );
});

test('a deleted message on a handset is unexpected', () => {
  assert.deepEqual(
    differences((run) => run.arrivals.push({ serial: 15, segment: 1, atMs: 9 })),
    { unexpected: 1 },
  );
});

test('a request that is stored twice was charged twice', () => {
  const found = differences((run) => {
    const [first] = run.facts.messages;
    if (first === undefined) return;
    run.facts.messages.push({ ...first, msgid: 999 });
    run.callbacks.push({ serial: 1, msgid: 999, state: 'DELIVRD' });
    run.facts.charged += 1;
    run.facts.balance -= 1;
  });
  assert.deepEqual(found, { chargedTwice: 1 });
});

test('a message that cost more than its segments, and a batch charged beyond its messages, were charged twice', () => {
  const dearer = differences((run) => {
    change(run.facts.messages, 0, { points: 2 });
    run.facts.charged += 1;
    run.facts.balance -= 1;
  });
  assert.deepEqual(dearer, { chargedTwice: 1 });
  assert.deepEqual(
    differences((run) => {
      run.facts.chargedTooMuch = 1;
    }),
    { chargedTwice: 1 },
  );
});

test('a call that cost more than its customer was told was charged twice', () => {
  const dearer = differences((run) => {
    change(run.facts.messages, 4, { points: 2 * CALL_POINTS, refunded: 2 + CALL_POINTS });
    run.facts.charged += CALL_POINTS;
    run.facts.givenBack += CALL_POINTS;
  });
  assert.deepEqual(dearer, { chargedTwice: 1 });
});

test('points that did not come back are missing', () => {
  for (const index of [2, 3, 4]) {
    const found = differences((run) => {
      const refunded = run.facts.messages[index]?.refunded ?? 0;
      change(run.facts.messages, index, { refunded: 0 });
      run.facts.givenBack -= refunded;
      run.facts.balance -= refunded;
    });
    assert.deepEqual(found, { refundMissing: 1 });
  }
});

test('a refund may be missing only where a message was refused whose earlier submit may have been taken', () => {
  const withoutRefund = (state: string): Partial<Comparison> =>
    differences((run) => {
      Object.assign(run.requests[2]?.planned ?? {}, { expected: state });
      change(run.facts.messages, 2, { state, inDoubt: true, refunded: 0 });
      change(run.callbacks, 2, { state });
      change(run.answers, 2, { state });
      run.facts.givenBack -= 1;
      run.facts.balance -= 1;
    });
  for (const state of ['SYNTAXE', 'MOBERROR', 'REJMOBIL']) assert.deepEqual(withoutRefund(state), {}, state);
  for (const state of ['UNDELIV', 'EXPIRED', 'REJECTD']) {
    assert.deepEqual(withoutRefund(state), { refundMissing: 1 }, state);
  }
});

test('a message without a final state is counted, as is one whose query does not know it', () => {
  const found = differences((run) => {
    change(run.facts.messages, 0, { state: null });
    run.callbacks.splice(0, 1);
    run.answers.splice(0, 1);
  });
  assert.deepEqual(found, { withoutFinalState: 1 });
  assert.deepEqual(
    differences((run) => change(run.answers, 0, { state: undefined })),
    { withoutFinalState: 1 },
  );
});

test('a callback that did not come is missing; one that told something else is unexpected as well', () => {
  assert.deepEqual(
    differences((run) => run.callbacks.pop()),
    { callbacksMissing: 1 },
  );
  assert.deepEqual(
    differences((run) => change(run.callbacks, 0, { state: 'EXPIRED' })),
    { callbacksMissing: 1, unexpected: 1 },
  );
});

test('points that are nobody’s charge and nobody’s refund are a difference', () => {
  assert.deepEqual(
    differences((run) => {
      run.facts.balance -= 7;
    }),
    { balanceDifference: 7 },
  );
  assert.deepEqual(
    differences((run) => run.facts.mismatches.push({ check: 'refunds' })),
    { balanceDifference: 1 },
  );
});

test('a call dialled again after its answer, or three times, is unexpected; one nobody answered is lost', () => {
  const again = (startedAtMs: number) => ({ phone: '0930000001', startedAtMs, answeredAtMs: undefined });
  assert.deepEqual(
    differences((run) => run.telephoneCalls.push(again(5_000))),
    { unexpected: 1 },
  );
  assert.deepEqual(
    differences((run) => run.telephoneCalls.unshift(again(500))),
    {},
  );
  assert.deepEqual(
    differences((run) => run.telephoneCalls.unshift(again(400), again(500))),
    { unexpected: 1 },
  );
  assert.deepEqual(
    differences((run) => run.telephoneCalls.splice(0)),
    { lost: 1 },
  );
});
