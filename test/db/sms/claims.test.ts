import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { parseOperatorSettings } from '../../../src/domain/operator-settings.ts';
import { acceptBatch } from '../../../src/store/acceptance.ts';
import { endMessages } from '../../../src/store/submissions.ts';
import { addOperator } from '../../../src/store/operators.ts';
import { claim, giveBack } from '../../../src/store/queue.ts';
import { eventually, moveTime, type SmsNode, startSmsNode } from '../../harness/sms-node.ts';
import { storeQueued } from '../../harness/stored-message.ts';

const MOBILE = '0911222333';
/** Of no prefix that an operator carries: it can't be moved to another. */
const NOWHERE = '85291234567';

let node: SmsNode;
let downId: number;
before(async () => {
  node = await startSmsNode({ operatorSettings: { prefixes: ['886'] }, receiptGraceMs: 60_000 });
  const settings = parseOperatorSettings({ host: '127.0.0.1', port: 1, systemId: 'x', password: 'x', prefixes: ['1'] });
  assert.ok(settings.ok);
  const added = await addOperator(node.database, { name: 'down', enabled: false, settings: settings.settings });
  assert.equal(added.kind, 'added');
  downId = added.kind === 'added' ? added.operator.operatorId : 0;
});
after(() => node.stop());

async function stateOf(msgid: number): Promise<{ state: string; refunded: number } | undefined> {
  const [row] = await node.rows<{ state: string; refunded: number }>(
    'SELECT state, refunded FROM messages WHERE msgid = $1 AND state IS NOT NULL',
    [msgid],
  );
  return row;
}

test('a claim whose answer was lost does not keep its messages for ever', async () => {
  const epoch = node.lease.epoch() ?? 0;
  const lost = await storeQueued(node, { msgid: 100_000_701, claimedBy: epoch });
  let claimed = 0;
  await node.database.transaction(async (tx) => {
    // The claim waits for this row, and its connection is cut while it does.
    await tx.query({ name: 'hold-operator', text: 'SELECT 1 FROM operators WHERE operator_id = $1 FOR UPDATE' }, [
      node.operatorId,
    ]);
    claimed = await node.sendAccepted(MOBILE, 'claimed in vain');
    await eventually('a claim that waits', async () => {
      const cut = await node.rows(
        `SELECT pg_terminate_backend(pid) FROM pg_stat_activity
         WHERE datname = current_database() AND wait_event_type = 'Lock' AND query LIKE '%UPDATE operators SET rank%'`,
      );
      return cut.length > 0 ? true : undefined;
    });
  });
  assert.equal(await node.finalState(claimed, MOBILE), 'DELIVRD');
  assert.equal(await node.finalState(lost, MOBILE), 'DELIVRD');
  const kinds = (await node.events(lost)).map((event) => event.kind);
  assert.ok(!kinds.includes('outcome-unknown'), 'it was never handed to a link');
});

test('a give-back that is repeated after the message was claimed again leaves it with that claim', async () => {
  const [other] = await node.rows<{ epoch: number }>(
    "INSERT INTO nodes (name, started_at, deadline) VALUES ('other', now(), now() + interval '1 hour') RETURNING epoch",
  );
  const epoch = other?.epoch ?? 0;
  const msgid = await storeQueued(node, { msgid: 100_000_704, mobile: NOWHERE, operatorId: downId });
  const claimOne = async () => {
    const { messages } = await claim(node.database, { epoch, operatorId: downId, fromRank: 0, limit: 10 });
    const message = messages.find((one) => one.msgid === msgid);
    assert.ok(message, 'it can be claimed');
    return { ...message, dueAtMs: undefined };
  };
  const first = await claimOne();
  await giveBack(node.database, epoch, [first]);
  const second = await claimOne();
  await giveBack(node.database, epoch, [first]);
  await giveBack(node.database, epoch, [{ ...first, dueAtMs: node.clock.now() }]);
  const holders = await node.rows('SELECT claimed_by FROM queue WHERE msgid = $1', [msgid]);
  assert.deepEqual(holders, [{ claimed_by: epoch }]);
  await giveBack(node.database, epoch, [second]);
  await claimOne();
  await node.rows('DELETE FROM nodes WHERE epoch = $1', [epoch]);
  await node.rows('DELETE FROM queue WHERE msgid = $1', [msgid]);
  await node.rows('DELETE FROM messages WHERE msgid = $1', [msgid]);
});

test('a message claimed as it is accepted belongs to a living epoch only, and can be given back', async () => {
  const epoch = node.lease.epoch() ?? 0;
  const row = {
    msgid: 100_000_705,
    accountId: node.accountId,
    accountVersion:
      (await node.rows<{ version: number }>('SELECT version FROM accounts WHERE account_id = $1', [node.accountId]))[0]
        ?.version ?? 0,
    mobile: NOWHERE,
    body: 'text',
    segments: 1,
    points: 1,
    runningPoints: 1,
    runningSegments: 1,
    dueAtMs: undefined,
    validitySeconds: 60,
    drurl: undefined,
    operatorId: downId,
    sourceAddress: undefined,
    claimed: true,
  };
  const dead = await acceptBatch(node.database, node.clock.now(), [row], 4_000);
  assert.deepEqual([dead.rejected, dead.claimed.size], [[], 0]);
  const claimedBy = () =>
    node.rows('SELECT claimed_by FROM queue WHERE msgid >= $1 AND operator_id = $2 ORDER BY msgid', [
      row.msgid,
      downId,
    ]);
  assert.deepEqual(await claimedBy(), [{ claimed_by: null }]);
  const alive = await acceptBatch(node.database, node.clock.now(), [{ ...row, msgid: 100_000_706 }], epoch);
  assert.deepEqual(await claimedBy(), [{ claimed_by: null }, { claimed_by: epoch }]);
  const handed = alive.claimed.get(downId);
  assert.ok(handed && handed.rank > 0);
  const returned = {
    msgid: 100_000_706,
    dueAtMs: undefined,
    sentMask: 0,
    reference: undefined,
    attempts: 0,
    resends: 0,
  };
  await giveBack(node.database, epoch, [{ ...returned, claim: handed.claim + 1 }]);
  assert.deepEqual(await claimedBy(), [{ claimed_by: null }, { claimed_by: epoch }]);
  await giveBack(node.database, epoch, [{ ...returned, claim: handed.claim }]);
  assert.deepEqual(await claimedBy(), [{ claimed_by: null }, { claimed_by: null }]);
  const { lowestRank } = await claim(node.database, {
    epoch,
    operatorId: downId,
    fromRank: 0,
    limit: 10,
    handedRank: 1e6,
  });
  assert.ok(lowestRank !== undefined);
  assert.deepEqual(await node.rows('SELECT rank FROM operators WHERE operator_id = $1', [downId]), [{ rank: 1e6 }]);
  await node.rows('DELETE FROM queue WHERE operator_id = $1', [downId]);
  await node.rows('DELETE FROM messages WHERE msgid IN (100000705, 100000706)');
});

test('an outcome of an epoch that lost the message ends nothing', async () => {
  const msgid = await storeQueued(node, { msgid: 100_000_702, mobile: NOWHERE, operatorId: downId, claimedBy: 4_000 });
  const ended = {
    msgid,
    state: 'REJECTD',
    refund: true,
    event: 'refused',
    operatorId: undefined,
    segment: undefined,
    link: undefined,
    sequence: undefined,
    status: undefined,
    detail: undefined,
  };
  assert.deepEqual(await endMessages(node.database, 3_999, node.clock.now(), [ended]), []);
  assert.equal(await stateOf(msgid), undefined);
  assert.equal((await endMessages(node.database, 4_000, node.clock.now(), [ended])).length, 1);
  assert.deepEqual(await stateOf(msgid), { state: 'REJECTD', refunded: 1 });
});

test('what expires untouched is refunded, what may have arrived is not', async () => {
  const untouched = await storeQueued(node, {
    msgid: 100_000_703,
    mobile: NOWHERE,
    operatorId: downId,
    expiresInMs: 0,
  });
  const partly = await storeQueued(node, {
    msgid: 100_000_704,
    mobile: NOWHERE,
    operatorId: downId,
    segments: 3,
    resends: 1,
    expiresInMs: 0,
  });
  const whole = await storeQueued(node, {
    msgid: 100_000_705,
    mobile: NOWHERE,
    operatorId: downId,
    resends: 1,
    expiresInMs: 0,
  });
  const expired = async (msgid: number) => eventually(`the end of ${msgid}`, () => stateOf(msgid));
  assert.deepEqual(await expired(untouched), { state: 'EXPIRED', refunded: 1 });
  assert.deepEqual(await expired(partly), { state: 'EXPIRED', refunded: 0 });
  await eventually('the one of unknown outcome to wait for a receipt', async () => {
    const waiting = await node.rows('SELECT 1 FROM in_flight WHERE msgid = $1 AND outcome_unknown', [whole]);
    return waiting.length > 0 ? true : undefined;
  });
  assert.equal(await stateOf(whole), undefined);
  await moveTime(node, 120_000);
  assert.deepEqual(await expired(whole), { state: 'UNKNOWN', refunded: 0 });
});

test('a message of an operator that was removed does not hold up what is due', async () => {
  await node.rows(
    `INSERT INTO deferred (msgid, due_at, why, operator_id, account_id, mobile, body, segments, accepted_at, expires_at)
     VALUES (100000706, now(), 'scheduled', 999, ${node.accountId}, '${NOWHERE}', 'orphan', 1, now(), now() + interval '1 hour')`,
  );
  const msgid = await node.sendAccepted(MOBILE, 'due behind it', { dueAtMs: node.clock.now() + 500 });
  assert.equal(await node.finalState(msgid, MOBILE), 'DELIVRD');
});
