import assert from 'node:assert/strict';
import { test } from 'node:test';
import { generate } from 'selfsigned';
import { startScriptedOperator } from '../../harness/scripted-operator.ts';
import { eventually, startSmsNode } from '../../harness/sms-node.ts';

const MOBILE = '0911222333';

test('an operator over TLS is bound with its certificate checked, and carries a message to its end', async () => {
  const pair = await generate([{ name: 'commonName', value: 'smsc.example' }], {
    extensions: [{ name: 'subjectAltName', altNames: [{ type: 2, value: 'smsc.example' }] }],
  });
  const operator = await startScriptedOperator((submit) => submit.accept(`id${submit.n}`), {
    tls: { key: pair.private, cert: pair.cert },
  });
  const node = await startSmsNode({
    operatorSettings: { port: operator.port, tls: true, tlsCa: pair.cert, tlsServername: 'smsc.example' },
  });
  try {
    const msgid = await node.sendAccepted(MOBILE, 'over TLS');
    await eventually('the submit', async () => (operator.submits.length === 1 ? true : undefined));
    await operator.receipt({ id: 'id1', stat: 'DELIVRD' });
    assert.equal(await node.finalState(msgid, MOBILE), 'DELIVRD');
  } finally {
    await node.stop();
    await operator.stop();
  }
});

test('a link of transmitter and receiver submits over the one and takes receipts over the other', async () => {
  const operator = await startScriptedOperator((submit) => submit.accept(`id${submit.n}`));
  const node = await startSmsNode({ operatorSettings: { port: operator.port, bindMode: 'transmitter+receiver' } });
  try {
    assert.deepEqual([...operator.binds].sort(), ['receiver', 'transmitter']);
    const msgid = await node.sendAccepted(MOBILE, 'two sessions');
    await eventually('the submit', async () => (operator.submits.length === 1 ? true : undefined));
    await operator.receipt({ id: 'id1', stat: 'UNDELIV' });
    assert.equal(await node.finalState(msgid, MOBILE), 'UNDELIV');
  } finally {
    await node.stop();
    await operator.stop();
  }
});

test('sar_* instead of a user data header when the operator wants it, with the same number for all segments', async () => {
  const operator = await startScriptedOperator((submit) => submit.accept(`id${submit.n}`));
  const node = await startSmsNode({ operatorSettings: { port: operator.port, concatenation: 'sar' } });
  try {
    await node.sendAccepted(MOBILE, '飛'.repeat(150));
    await eventually('three submits', async () => (operator.submits.length === 3 ? true : undefined));
    const tlvs = operator.submits.map(({ message }) => message.tlvs);
    assert.deepEqual(
      tlvs.map((one) => [one.sarSegmentSeqnum, one.sarTotalSegments]),
      [
        [1, 3],
        [2, 3],
        [3, 3],
      ],
    );
    assert.equal(new Set(tlvs.map((one) => one.sarMsgRefNum)).size, 1);
    assert.ok(operator.submits.every(({ message }) => message.registeredDelivery === 1));
    assert.ok(operator.submits.every(({ message }) => /^\d{15}R$/.test(message.validityPeriod)));
  } finally {
    await node.stop();
    await operator.stop();
  }
});

test("an account's name is submitted as alphanumeric, whatever the operator's own sender is", async () => {
  const operator = await startScriptedOperator((submit) => submit.accept(`id${submit.n}`));
  const source = { sourceAddress: '0222333', sourceTon: 2, sourceNpi: 8 };
  const node = await startSmsNode({ operatorSettings: { port: operator.port, ...source } });
  try {
    const sources: unknown[] = [];
    for (const [index, more] of [{ sourceAddress: 'SHOP' }, {}].entries()) {
      await node.sendAccepted(MOBILE, 'from whom', more);
      await eventually('the submit', async () => (operator.submits.length > index ? true : undefined));
      sources.push(operator.submits[index]?.message.source);
    }
    assert.deepEqual(sources, [
      { ton: 5, npi: 0, digits: 'SHOP' },
      { ton: 2, npi: 8, digits: '0222333' },
    ]);
  } finally {
    await node.stop();
    await operator.stop();
  }
});
