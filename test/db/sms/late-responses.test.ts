import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { after, before, beforeEach, describe, test } from 'node:test';
import { createLogger } from '../../../src/base/log.ts';
import { LateResponses } from '../../../src/sms/late-response.ts';
import { claim } from '../../../src/store/queue.ts';
import { startScriptedOperator, type ScriptedOperator, type Submit } from '../../harness/scripted-operator.ts';
import { eventually, moveTime, type SmsNode, startSmsNode } from '../../harness/sms-node.ts';

const MOBILE = '0911222333';
const TWO_SEGMENTS = '飛鴿傳書'.repeat(30);
/** No message has it: what is heard of it is shown. */
const FIRST_UNKNOWN = 100_900_000;
/** How often those that have to wait are looked at. */
const LOOK_EVERY_MS = 250;
const QUEUE_FULL = 0x14;
const INVALID_DESTINATION = 0x0b;

let node: SmsNode;
let operator: ScriptedOperator;
let script: (submit: Submit) => void;

async function startWith(settings: Record<string, unknown>): Promise<void> {
  operator = await startScriptedOperator((submit) => script(submit));
  node = await startSmsNode({ operatorSettings: { port: operator.port, responseTimeoutMs: 300, ...settings } });
}

async function stop(): Promise<void> {
  await node.stop();
  await operator.stop();
}

/** Leaves what comes unanswered; the test answers it when it likes. */
function leaveUnanswered(): Submit[] {
  const left: Submit[] = [];
  script = (submit) => left.push(submit);
  return left;
}

/** Waits until so many submits of the message are noted as unknown. */
function unknown(msgid: number, count = 1): Promise<true> {
  return eventually('the unknown outcome', async () =>
    (await node.events(msgid)).filter((event) => event.kind === 'outcome-unknown').length >= count ? true : undefined,
  );
}

function seen(msgid: number, kind: string): Promise<true> {
  return eventually(`an event ${kind}`, async () =>
    (await node.events(msgid)).some((event) => event.kind === kind) ? true : undefined,
  );
}

describe('where the operator has a message of unknown outcome held', () => {
  before(() => startWith({ unknownPolicy: 'hold' }));
  after(stop);
  beforeEach(() => {
    script = (submit) => submit.accept(`id${submit.n}`);
  });

  test('a late response gives its id to the waiting segment, so that a receipt by id finds it', async () => {
    const [msgid, submit] = await sendUnanswered('held');
    submit.accept('late-1');
    await seen(msgid, 'submitted');
    await operator.receipt({ id: 'late-1', stat: 'DELIVRD' });
    assert.equal(await node.finalState(msgid, MOBILE), 'DELIVRD');
    assert.equal(await submitsOf('held'), 1);
  });

  test('a receipt that came before the late response settles the message with it', async () => {
    const [msgid, submit] = await sendUnanswered('receipt first');
    await operator.receipt({ id: 'late-2', stat: 'UNDELIV' });
    assert.equal((await node.lookUp(msgid, MOBILE)).kind, 'pending');
    submit.accept('late-2');
    assert.equal(await node.finalState(msgid, MOBILE), 'UNDELIV');
  });

  test('a late response to one segment of a long message names that segment', async () => {
    const left = leaveUnanswered();
    const msgid = await node.sendAccepted(MOBILE, TWO_SEGMENTS);
    await unknown(msgid, 2);
    const bySequence = (sequence: number) => left.find(({ part }) => part?.sequence === sequence);
    bySequence(2)?.accept('second');
    bySequence(1)?.accept('first');
    await Promise.all(['first', 'second'].map((id) => operator.receipt({ id, stat: 'DELIVRD' })));
    assert.equal(await node.finalState(msgid, MOBILE), 'DELIVRD');
  });

  test('a late refusal for good ends the message as one in time would have, refunded', async () => {
    const balance = await node.balance();
    const [msgid, submit] = await sendUnanswered('refused late');
    submit.refuse(INVALID_DESTINATION);
    assert.equal(await node.finalState(msgid, MOBILE), 'MOBERROR');
    assert.equal(await node.balance(), balance);
    assert.ok(
      (await node.events(msgid)).some(({ kind, status }) => kind === 'refused' && status === INVALID_DESTINATION),
    );
  });

  test('a late refusal for now has the message sent again: it was not taken', async () => {
    const [msgid, submit] = await sendUnanswered('queue full');
    script = (again) => again.accept(`again${again.n}`);
    submit.refuse(QUEUE_FULL);
    await seen(msgid, 'put-off');
    await moveTime(node, 10_000);
    await seen(msgid, 'submitted');
    assert.equal(await submitsOf('queue full'), 2);
    await operator.receipt({ id: `again${operator.submits.length}`, stat: 'DELIVRD' });
    assert.equal(await node.finalState(msgid, MOBILE), 'DELIVRD');
  });

  test('a late refusal for now of one segment has that one sent again, as part of the same message', async () => {
    const [msgid, left] = await sendLongUnanswered();
    left[1]?.refuse(QUEUE_FULL);
    await seen(msgid, 'put-off');
    const again = await sentAgain(1);
    assert.deepEqual(
      again.map(({ part }) => part),
      [left[1]?.part],
    );
    left[0]?.accept('never-refused');
    await seen(msgid, 'submitted');
    await allDelivered(msgid, ['never-refused', ...idsOf(again)]);
  });

  test('late refusals for now of both segments have each sent again once', async () => {
    const [msgid, left] = await sendLongUnanswered();
    for (const submit of left) submit.refuse(QUEUE_FULL);
    await eventually('both refusals', async () =>
      (await node.events(msgid)).filter(({ kind }) => kind === 'put-off').length === 2 ? true : undefined,
    );
    const again = await sentAgain(2);
    assert.deepEqual(
      again.map(({ part }) => part),
      left.map(({ part }) => part),
    );
    await allDelivered(msgid, idsOf(again));
  });

  async function sendLongUnanswered(): Promise<[number, Submit[]]> {
    const left = leaveUnanswered();
    const msgid = await node.sendAccepted(MOBILE, TWO_SEGMENTS);
    await unknown(msgid, 2);
    return [msgid, left];
  }

  /** What goes out when it is time; the operator takes it. */
  async function sentAgain(count: number): Promise<Submit[]> {
    const again: Submit[] = [];
    script = (submit) => {
      again.push(submit);
      submit.accept(`repeated${submit.n}`);
    };
    await moveTime(node, 10_000);
    await eventually('the segments', async () => (again.length >= count ? true : undefined));
    return again;
  }

  function idsOf(again: readonly Submit[]): string[] {
    return again.map(({ n }) => `repeated${n}`);
  }

  async function allDelivered(msgid: number, ids: readonly string[]): Promise<void> {
    await Promise.all(ids.map((id) => operator.receipt({ id, stat: 'DELIVRD' })));
    assert.equal(await node.finalState(msgid, MOBILE), 'DELIVRD');
  }

  test('a late response whose id another segment has changes nothing but what is shown', async () => {
    script = (submit) => submit.accept('taken-id');
    const first = await node.sendAccepted(MOBILE, 'has the id');
    await seen(first, 'submitted');
    const [msgid, submit] = await sendUnanswered('same id late');
    submit.accept('taken-id');
    await unknown(msgid, 2);
    await operator.receipt({ id: 'taken-id', stat: 'DELIVRD' });
    assert.equal(await node.finalState(first, MOBILE), 'DELIVRD');
    assert.equal((await node.lookUp(msgid, MOBILE)).kind, 'pending');
  });

  test('a late response that the database refuses changes nothing and holds up no other', async () => {
    const [faulty, first] = await sendUnanswered('endless id');
    const [msgid, second] = await sendUnanswered('beside it');
    first.accept(randomBytes(4_000).toString('hex'));
    second.accept('late-beside');
    await seen(msgid, 'submitted');
    await operator.receipt({ id: 'late-beside', stat: 'DELIVRD' });
    assert.equal(await node.finalState(msgid, MOBILE), 'DELIVRD');
    assert.equal((await node.lookUp(faulty, MOBILE)).kind, 'pending');
  });

  test('each late response is recorded as it comes', async () => {
    const count = 10;
    const { database, clock } = node;
    const log = createLogger({ level: 'silent' });
    const directory = node.pipeline.directory;
    const late = new LateResponses({
      database,
      clock,
      log,
      directory,
      graceMs: 1,
      refunds: () => false,
      onSettled() {},
    });
    late.start();
    const startedMs = performance.now();
    for (let n = 1; n <= count; n += 1) {
      const submit = { operatorId: node.operatorId, msgid: FIRST_UNKNOWN + n, segment: 1, submittedAtMs: 0 };
      late.expect('link', n, {
        ...submit,
        reference: 1,
        only: true,
        sourceAddress: undefined,
        concatenationReference: undefined,
      });
      late.answered('link', n, 0, `prompt${n}`);
      await seen(FIRST_UNKNOWN + n, 'late-response');
    }
    await late.stop();
    assert.ok(performance.now() - startedMs < (count * LOOK_EVERY_MS) / 2, 'none waited for the next look');
  });

  async function sendUnanswered(text: string): Promise<[number, Submit]> {
    const left = leaveUnanswered();
    const msgid = await node.sendAccepted(MOBILE, text);
    await unknown(msgid);
    const [submit] = left;
    assert.ok(submit);
    return [msgid, submit];
  }
});

describe('where a message of unknown outcome is sent once more', () => {
  // One segment in two seconds: the message waits in the queue when the late response comes.
  before(() => startWith({ unknownPolicy: 'resend', throttle: 0.5 }));
  after(stop);

  test('a late response takes the message out of the queue before it is sent once more', async () => {
    const left = leaveUnanswered();
    const msgid = await node.sendAccepted(MOBILE, 'taken after all');
    await unknown(msgid);
    left[0]?.accept('in-time-enough');
    await seen(msgid, 'submitted');
    assert.equal((await node.rows('SELECT 1 FROM queue WHERE msgid = $1', [msgid])).length, 0);
    await operator.receipt({ id: 'in-time-enough', stat: 'DELIVRD' });
    assert.equal(await node.finalState(msgid, MOBILE), 'DELIVRD');
    assert.equal(await submitsOf('taken after all'), 1);
  });

  test('a late response stops the copy of another node that claims all there is', async () => {
    const left = leaveUnanswered();
    const msgid = await node.sendAccepted(MOBILE, 'taken before another could');
    await unknown(msgid);
    const [other] = await node.rows<{ epoch: number }>(
      "INSERT INTO nodes (name, started_at, deadline) VALUES ('other', now(), now() + interval '1 hour') RETURNING epoch",
    );
    const query = { epoch: other?.epoch ?? 0, operatorId: node.operatorId, fromRank: 0, limit: 10 };
    assert.deepEqual((await claim(node.database, query)).messages, [], 'while the response may be about to come');
    left[0]?.accept('before-the-other');
    await seen(msgid, 'submitted');
    assert.deepEqual((await claim(node.database, query)).messages, [], 'when it is recorded');
    await node.rows("DELETE FROM nodes WHERE name = 'other'");
    await operator.receipt({ id: 'before-the-other', stat: 'DELIVRD' });
    assert.equal(await node.finalState(msgid, MOBILE), 'DELIVRD');
    assert.equal(await submitsOf('taken before another could'), 1);
  });

  test('after a late refusal the next submit counts as the first, and is refunded when it is refused', async () => {
    const balance = await node.balance();
    const left = leaveUnanswered();
    const msgid = await node.sendAccepted(MOBILE, 'refused twice');
    await unknown(msgid);
    script = (submit) => submit.refuse(INVALID_DESTINATION);
    left[0]?.refuse(INVALID_DESTINATION);
    assert.equal(await node.finalState(msgid, MOBILE), 'MOBERROR');
    assert.equal(await node.balance(), balance);
  });

  test('a late response after the message was sent once more is shown, and nothing is sent again', async () => {
    const left = leaveUnanswered();
    const msgid = await node.sendAccepted(MOBILE, 'taken twice');
    await unknown(msgid);
    script = (submit) => submit.accept('second-copy');
    await seen(msgid, 'submitted');
    left[0]?.accept('first-copy');
    await seen(msgid, 'late-response');
    await operator.receipt({ id: 'second-copy', stat: 'DELIVRD' });
    assert.equal(await node.finalState(msgid, MOBILE), 'DELIVRD');
    assert.equal(await submitsOf('taken twice'), 2);
  });
});

describe('where the message is claimed for its resend when the late response comes', () => {
  before(async () => {
    await startWith({ unknownPolicy: 'resend' });
    // A claim of such a message waits for the test, as it would for a slow disk.
    await node.rows(`CREATE FUNCTION wait_for_test() RETURNS trigger LANGUAGE plpgsql AS $$
      BEGIN PERFORM pg_advisory_xact_lock_shared(1); RETURN NEW; END $$`);
    await node.rows(`CREATE TRIGGER wait_for_test BEFORE UPDATE ON queue FOR EACH ROW
      WHEN (NEW.claimed_by IS NOT NULL AND NEW.resends > 0) EXECUTE FUNCTION wait_for_test()`);
  });
  after(stop);

  test('a late response stops the copy that was about to go out', async () => {
    const msgid = await answeredWhileClaimed('claimed already', 'claimed-taken');
    await seen(msgid, 'submitted');
    assert.equal(await submitsOf('claimed already'), 1);
    await operator.receipt({ id: 'claimed-taken', stat: 'DELIVRD' });
    assert.equal(await node.finalState(msgid, MOBILE), 'DELIVRD');
  });

  test('of a long message only what is left goes out', async () => {
    const before = operator.submits.length;
    const msgid = await answeredWhileClaimed(TWO_SEGMENTS, 'first-half');
    await eventually('the second half', async () => (operator.submits.length > before + 1 ? true : undefined));
    await Promise.all(['first-half', 'next'].map((id) => operator.receipt({ id, stat: 'DELIVRD' })));
    assert.equal(await node.finalState(msgid, MOBILE), 'DELIVRD');
    assert.deepEqual(
      operator.submits.slice(before).map(({ part }) => part?.sequence),
      [1, 2],
    );
  });

  /** The first submit is answered late, while the claim for the second is under way; any other one at once. */
  async function answeredWhileClaimed(text: string, id: string): Promise<number> {
    return node.database.transaction(async (tx) => {
      await tx.query({ name: 'hold-claims', text: 'SELECT pg_advisory_xact_lock(1)' }, []);
      const left = leaveUnanswered();
      const msgid = await node.sendAccepted(MOBILE, text);
      await unknown(msgid);
      script = (submit) => submit.accept('next');
      await eventually('the claim', async () => {
        const claims = await node.rows(
          "SELECT FROM pg_stat_activity WHERE datname = current_database() AND wait_event = 'advisory'",
        );
        return claims.length > 0 ? true : undefined;
      });
      left[0]?.accept(id);
      // What comes after it over the same session is answered: the node has heard it.
      await operator.receipt({ id: `after ${id}`, stat: 'DELIVRD' });
      return msgid;
    });
  }
});

async function submitsOf(text: string): Promise<number> {
  return operator.submits.filter(({ message }) => message.shortMessage.toString('latin1') === text).length;
}
