import assert from 'node:assert/strict';
import { test } from 'node:test';
import { startScriptedOperator } from '../../harness/scripted-operator.ts';
import { mostInAnySecond } from '../../harness/segment-rate.ts';
import { eventually, type SmsNode, startSmsNode } from '../../harness/sms-node.ts';

const MOBILE = '0911222333';
const THROTTLE = 150;
/** A bucket holds what a tenth of a second earns; a crowded machine delivers some of it late. */
const MOST_IN_A_SECOND = THROTTLE * 1.25;

/** Bound links of each node, by its epoch. */
async function boundLinks(node: SmsNode): Promise<Map<number, number>> {
  const rows = await node.rows<{ epoch: number; n: number }>(
    'SELECT epoch, count(*)::int AS n FROM link_slots WHERE bound GROUP BY epoch ORDER BY epoch',
  );
  return new Map(rows.map(({ epoch, n }) => [epoch, n]));
}

test('a node that joins gets its part of the links, and all nodes together keep to the throttle and to one submit each', async () => {
  const arrivalsMs: number[] = [];
  const texts: string[] = [];
  const operator = await startScriptedOperator((submit) => {
    arrivalsMs.push(performance.now());
    texts.push(Buffer.from(submit.message.shortMessage).toString());
    submit.accept(`id${submit.n}`);
  });
  const node = await startSmsNode({
    // The harness gives up a response after half a second, which a crowded machine may need.
    operatorSettings: { port: operator.port, links: 3, window: 50, throttle: THROTTLE, responseTimeoutMs: 20_000 },
    points: 10_000,
  });
  const mine = node.lease.epoch() ?? 0;
  const messages = THROTTLE * 10;
  try {
    await eventually('three links', async () => ((await boundLinks(node)).get(mine) === 3 ? true : undefined));
    await Promise.all(Array.from({ length: messages }, (_, n) => node.sendAccepted(MOBILE, `message ${n}`)));
    await eventually('the first second', async () => (operator.submits.length > THROTTLE ? true : undefined));
    const peer = await node.startPeer();
    const theirs = peer.lease.epoch() ?? 0;
    try {
      await eventually('a link of the other node', async () => {
        const links = await boundLinks(node);
        return links.get(mine) === 2 && links.get(theirs) === 1 ? true : undefined;
      });
      await eventually('the end of the queue', async () => (operator.submits.length >= messages ? true : undefined));
    } finally {
      await peer.stop();
    }
    const epochs = await node.rows<{ link: string }>(
      "SELECT link, count(*)::int AS n FROM message_events WHERE kind = 'submitted' GROUP BY link",
    );
    assert.equal(epochs.length, 3, 'every link carried some');
    assert.equal(new Set(texts).size, messages, 'none is lost');
    assert.equal(texts.length, messages, 'each went out once');
    const most = mostInAnySecond(arrivalsMs);
    assert.ok(most <= MOST_IN_A_SECOND, `${most} segments in a second`);
    await eventually('its links again', async () => ((await boundLinks(node)).get(mine) === 3 ? true : undefined));
  } finally {
    await node.stop();
    await operator.stop();
  }
});

test('why a link is not bound can be seen', async () => {
  const node = await startSmsNode();
  try {
    await node.rows(`UPDATE operators SET settings = settings || '{"password": "wrong"}', version = version + 1`);
    await eventually('the reason', async () => {
      const [slot] = await node.rows<{ detail: string | null }>('SELECT detail FROM link_slots');
      return slot?.detail?.startsWith('bind refused with 0x') ? true : undefined;
    });
  } finally {
    await node.stop();
  }
});
