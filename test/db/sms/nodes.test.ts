import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseOperatorSettings } from '../../../src/domain/operator-settings.ts';
import { addOperator } from '../../../src/store/operators.ts';
import { startScriptedOperator, type Submit } from '../../harness/scripted-operator.ts';
import { eventually, type SmsNode, startSmsNode } from '../../harness/sms-node.ts';
import { storeQueued } from '../../harness/stored-message.ts';

const MOBILE = '0911222333';

/** The database's view of a lease, as if the node had been stopped for longer than it. */
async function expireLease(node: SmsNode, name: string): Promise<void> {
  await node.rows("UPDATE nodes SET deadline = clock_timestamp() - interval '1 second' WHERE name = $1", [name]);
}

test('a node that lost its lease cuts its links, sends nothing under it, and goes on under a new epoch', async () => {
  let script = (submit: Submit): void => submit.accept(`id${submit.n}`);
  const operator = await startScriptedOperator((submit) => script(submit));
  const node = await startSmsNode({ operatorSettings: { port: operator.port, responseTimeoutMs: 60_000 } });
  try {
    script = () => {};
    const old = node.lease.epoch() ?? 0;
    const msgid = await node.sendAccepted(MOBILE, 'in flight when the lease goes');
    await eventually('the first submit', async () => (operator.submits.length === 1 ? true : undefined));
    script = (submit) => submit.accept(`id${submit.n}`);
    await expireLease(node, 'test');
    await eventually('a new epoch', async () => {
      const epoch = node.lease.epoch();
      return epoch !== undefined && epoch !== old ? epoch : undefined;
    });
    await eventually('the second submit', async () => (operator.submits.length === 2 ? true : undefined));
    const [slot] = await node.rows<{ epoch: number }>('SELECT epoch FROM link_slots');
    assert.equal(slot?.epoch, node.lease.epoch());
    await eventually('the outcome', async () =>
      (await node.events(msgid)).some((event) => event.kind === 'submitted') ? true : undefined,
    );
    assert.equal((await node.rows('SELECT 1 FROM queue')).length, 0);
    const unknown = (await node.events(msgid)).filter((event) => event.kind === 'outcome-unknown');
    assert.equal(unknown.length, 1, 'sent once more, once');
  } finally {
    await node.stop();
    await operator.stop();
  }
});

test('claims of an epoch that nobody remembers are taken over', async () => {
  const node = await startSmsNode();
  const msgid = await storeQueued(node, { msgid: 100_000_801, claimedBy: 99_999 });
  const peer = await node.startPeer();
  try {
    assert.equal(await node.finalState(msgid, MOBILE), 'DELIVRD');
    assert.equal((await node.events(msgid))[0]?.kind, 'outcome-unknown');
  } finally {
    await peer.stop();
    await node.stop();
  }
});

test('an operator that says hold gets what a dead node had claimed not again, and keeps its messages waiting', async () => {
  const node = await startSmsNode({ operatorSettings: { unknownPolicy: 'hold' } });
  try {
    const [dead] = await node.rows<{ epoch: number }>(
      "INSERT INTO nodes (name, started_at, deadline) VALUES ('dead', now(), now() + interval '1 hour') RETURNING epoch",
    );
    const msgid = await storeQueued(node, {
      msgid: 100_000_802,
      segments: 3,
      sentMask: 1,
      ...(dead ? { claimedBy: dead.epoch } : {}),
    });
    await expireLease(node, 'dead');
    const waiting = await eventually('the missing segments to wait', async () => {
      const rows = await node.rows<{ segment: number }>(
        'SELECT segment FROM in_flight WHERE msgid = $1 ORDER BY segment',
        [msgid],
      );
      return rows.length > 0 ? rows.map((row) => row.segment) : undefined;
    });
    assert.deepEqual(waiting, [2, 3]);
    assert.equal((await node.rows('SELECT 1 FROM queue')).length, 0);
  } finally {
    await node.stop();
  }
});

test('what a node had claimed and not sent is given back when it stops', async () => {
  const operator = await startScriptedOperator(() => {});
  const node = await startSmsNode({
    operatorSettings: { port: operator.port, window: 2, throttle: 5_000, responseTimeoutMs: 300 },
  });
  try {
    for (let n = 0; n < 20; n += 1) await node.sendAccepted(MOBILE, `message ${n}`);
    await eventually('the window to be full', async () => (operator.submits.length >= 2 ? true : undefined));
    await node.pipeline.stop();
    const left = await node.rows<{ claimed_by: number | null }>('SELECT claimed_by FROM queue');
    assert.deepEqual(
      left.filter((row) => row.claimed_by !== null),
      [],
    );
    const [sum] = await node.rows<{ n: number }>(
      'SELECT ((SELECT count(*) FROM queue) + (SELECT count(*) FROM deferred) + (SELECT count(*) FROM in_flight))::int AS n',
    );
    assert.equal(sum?.n, 20, 'none is lost');
  } finally {
    await node.stop();
    await operator.stop();
  }
});

test('two nodes share the links of an operator, both send, and one takes the other’s link when that stops', async () => {
  // Nothing is answered until both windows are full, which takes both nodes.
  const WINDOW = 10;
  const unanswered: Submit[] = [];
  const operator = await startScriptedOperator((submit) => {
    unanswered.push(submit);
    if (submit.n < 2 * WINDOW) return;
    for (const { n, mobile, accept } of unanswered.splice(0)) {
      accept(`shared${n}`);
      void operator.receipt({ id: `shared${n}`, stat: 'DELIVRD', from: mobile });
    }
  });
  const node = await startSmsNode();
  const peer = await node.startPeer();
  try {
    const settings = parseOperatorSettings({
      host: '127.0.0.1',
      port: operator.port,
      systemId: 'feige',
      password: 'simulate',
      links: 2,
      window: WINDOW,
      throttle: 1_000,
      priority: 1,
    });
    assert.ok(settings.ok);
    const added = await addOperator(node.database, { name: 'shared', enabled: true, settings: settings.settings });
    const sharedId = added.kind === 'added' ? added.operator.operatorId : 0;
    const holders = async (count: number): Promise<true> =>
      eventually(`${count} holders of two bound links`, async () => {
        const slots = await node.rows<{ epoch: number | null; bound: boolean }>(
          'SELECT epoch, bound FROM link_slots WHERE operator_id = $1',
          [sharedId],
        );
        const epochs = new Set(slots.map((slot) => slot.epoch));
        return slots.every((slot) => slot.bound) && epochs.size === count ? true : undefined;
      });
    await holders(2);
    await eventually('a route', async () => (node.pipeline.directory.isUp(sharedId) ? true : undefined));
    const sent = await Promise.all(Array.from({ length: 200 }, (_, n) => node.sendAccepted(MOBILE, `message ${n}`)));
    for (const msgid of sent) assert.equal(await node.finalState(msgid, MOBILE), 'DELIVRD');
    assert.equal(operator.submits.length, 200, 'each went out once');
    const links = await node.rows<{ link: string }>(
      "SELECT DISTINCT link FROM message_events WHERE kind = 'submitted' ORDER BY link",
    );
    assert.deepEqual(
      links.map((row) => row.link),
      ['shared/0', 'shared/1'],
    );
    await peer.stop();
    await holders(1);
    const alone = await node.sendAccepted(MOBILE, 'alone again');
    assert.equal(await node.finalState(alone, MOBILE), 'DELIVRD');
  } finally {
    await peer.stop();
    await node.stop();
    await operator.stop();
  }
});
