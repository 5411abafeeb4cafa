/** Neither a peer that does not read nor a handler that does not answer makes a session grow without end. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setImmediate as turn, setTimeout as pause } from 'node:timers/promises';
import { sampleMessage } from '../../unit/smpp/sample-message.ts';
import { boundToRaw, submit } from './esme.ts';

/** Long after the session would have taken more, if it took more. */
const TURNS = 200;

test('unanswered deliveries past 1,000 stop the reading; answers start it again', async (t) => {
  const waiting: ((status: number) => void)[] = [];
  const full = Promise.withResolvers<void>();
  const { smsc } = await boundToRaw(
    t,
    {},
    {
      onDeliver: (_pdu, respond) => {
        waiting.push(respond);
        if (waiting.length === 1000) full.resolve();
      },
    },
  );
  const total = 5000;
  const message = sampleMessage({ shortMessage: Buffer.alloc(140, 'x') });
  for (let sequence = 1; sequence <= total; sequence += 1) {
    smsc.send({ command: 'deliver_sm', sequence, status: 0, message });
  }
  await full.promise;
  for (let turns = 0; turns < TURNS; turns += 1) await turn();
  assert.ok(waiting.length < 2000, `${waiting.length} were taken`);
  let answered = 0;
  const all = Promise.withResolvers<void>();
  smsc.onPdu = () => {
    answered += 1;
    if (answered === total) all.resolve();
  };
  const answer = setInterval(() => {
    for (const respond of waiting.splice(0)) respond(0);
  }, 1);
  t.after(() => clearInterval(answer));
  await all.promise;
});

test('responses that lie unread while the handler holds up the reading do not time out', async (t) => {
  const waiting: ((status: number) => void)[] = [];
  const full = Promise.withResolvers<void>();
  const { session, smsc } = await boundToRaw(
    t,
    { responseTimeoutMs: 60, enquireLinkMs: 60 },
    {
      onDeliver: (_pdu, respond) => {
        waiting.push(respond);
        if (waiting.length === 1001) full.resolve();
      },
    },
  );
  const message = sampleMessage({ shortMessage: Buffer.alloc(140, 'x') });
  const deliveries = (from: number, to: number): void =>
    smsc.send(
      ...Array.from({ length: to - from }, (_, index) => ({
        command: 'deliver_sm' as const,
        sequence: from + index,
        status: 0,
        message,
      })),
    );
  deliveries(1, 1002);
  await full.promise;
  await turn();
  const result = submit(session);
  const { sequence } = await smsc.next('submit_sm');
  smsc.send({ command: 'submit_sm_resp', sequence, status: 0, messageId: 'patient' });
  await pause(200);
  for (const respond of waiting) respond(0);
  assert.deepEqual(await result, { kind: 'response', status: 0, messageId: 'patient', sequence });
});

test('to a peer that does not read no more than a bounded number of bytes is accepted', async (t) => {
  const { session, smsc } = await boundToRaw(t, { window: 100_000 });
  smsc.socket.pause();
  const message = sampleMessage({ shortMessage: Buffer.alloc(0), tlvs: { messagePayload: Buffer.alloc(60_000) } });
  let accepted = 0;
  let refused = false;
  while (!refused && accepted < 2000) {
    session.submit(message, (result) => {
      refused ||= result.kind === 'not-sent' && result.reason === 'window-full';
    });
    accepted += 1;
    if (accepted % 10 === 0) await turn();
  }
  assert.ok(refused, 'all of 120 MB was accepted');
  assert.equal(session.freeWindow(), 0);
  smsc.onPdu = () => {};
  smsc.socket.resume();
  while (session.freeWindow() === 0) await turn();
});
