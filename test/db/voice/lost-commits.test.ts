import assert from 'node:assert/strict';
import { test } from 'node:test';
import { SpeechFailure } from '../../../src/voice/speech/driver.ts';
import type { SpeechDriver } from '../../../src/voice/speech/driver.ts';
import { FaultProxy, type SplicedLine } from '../../faults/fault-proxy.ts';
import { eventually } from '../../harness/sms-node.ts';
import { startVoiceNode, toneSpeech, type VoiceNode } from '../../harness/voice-node.ts';

const PHONE = '0900000100';
const OTHER_PHONE = '0900000101';
const HELD_TEXT = 'held';

/** A way to the database that keeps the answer to the first commit of this statement, and what follows it, to itself. */
class LosingLine {
  readonly #statement: string;
  #proxy: FaultProxy | undefined;
  #carrier: SplicedLine | undefined;
  #lost = false;

  constructor(statement: string) {
    this.#statement = statement;
  }

  async listen(server: { host: string; port: number }): Promise<number> {
    this.#proxy = new FaultProxy(server, (line) => {
      let inTransaction = false;
      return {
        fromClient: (bytes) => {
          inTransaction ||= bytes.includes('BEGIN');
          if (bytes.includes(this.#statement)) this.#carrier ??= line;
          if (line === this.#carrier && (!inTransaction || bytes.includes('COMMIT'))) this.#lost = true;
          line.toServer(bytes);
        },
        fromServer: (bytes) => {
          if (!this.#lost || line !== this.#carrier) line.toClient(bytes);
        },
      };
    });
    return this.#proxy.listen();
  }

  /** Whoever waits for the answer hears that the connection is gone. */
  lose(): void {
    this.#carrier?.cut();
  }

  async stop(): Promise<void> {
    await this.#proxy?.stop();
  }
}

test('a give-back that is repeated after a lost commit leaves the call with the claim that it has by then', async (t) => {
  const line = new LosingLine('give-back-calls');
  const speech = new HeldSpeech();
  const node = await startVoiceNode({ speech, databaseLine: (server) => line.listen(server) });
  t.after(async () => {
    speech.release();
    await node.stop();
    await line.stop();
  });
  const msgid = await node.sent(PHONE, { body: HELD_TEXT });
  // Its speech fails: it goes back to the queue, and nobody is told that this is committed.
  await eventually('the give-back', async () => {
    const back = await node.rows(
      'UPDATE call_queue SET due_at = now() WHERE NOT ready AND claimed_by IS NULL RETURNING 1',
    );
    return back.length === 1 ? true : undefined;
  });
  await eventually('the second claim', async () => (speech.asked === 2 ? true : undefined));
  line.lose();
  await eventually('the repetition', async () => {
    const told = await node.rows("SELECT FROM message_events WHERE msgid = $1 AND kind = 'speech-failed'", [msgid]);
    return told.length === 2 ? true : undefined;
  });
  const claimed = () => node.rows('SELECT claimed_by FROM call_queue WHERE msgid = $1', [msgid]);
  assert.deepEqual(await claimed(), [{ claimed_by: node.lease.epoch() }], 'after the repetition');
  await afterLostClaim(node);
  assert.deepEqual([speech.asked, await claimed()], [2, [{ claimed_by: node.lease.epoch() }]], 'it is no stray');
  speech.release();
  assert.equal((await node.final(msgid)).state, 'FarEnd');
  assert.equal(node.telephone.calls.of(PHONE).length, 1);
});

test('calls of a dead node come to their end although the answer to their take-over was lost', async (t) => {
  const line = new LosingLine('take-over-calls');
  const node = await startVoiceNode({ databaseLine: (server) => line.listen(server) }, false);
  t.after(async () => {
    await node.stop();
    await line.stop();
  });
  const rang = await node.sent(PHONE);
  const talked = await node.sent(OTHER_PHONE);
  const [dead] = await node.rows<{ epoch: number }>(
    "INSERT INTO nodes (name, started_at, deadline) VALUES ('dead', now(), now() - interval '1 second') RETURNING epoch",
  );
  const epoch = dead?.epoch ?? 0;
  await node.rows('UPDATE call_queue SET claimed_by = $1, dialled = true', [epoch]);
  await node.rows('UPDATE call_queue SET answered_at = now(), talking_at = now() WHERE msgid = $1', [talked]);
  await node.start();
  await eventually('the take-over', async () => {
    const left = await node.rows('SELECT FROM call_queue WHERE claimed_by = $1', [epoch]);
    return left.length === 0 ? true : undefined;
  });
  line.lose();
  assert.equal((await node.final(rang)).state, 'FarEnd');
  assert.equal((await node.final(talked)).state, 'FarEnd');
  assert.equal(node.telephone.calls.of(PHONE).length, 1);
  assert.equal(node.telephone.calls.of(OTHER_PHONE).length, 0);
});

test('a claim that the database commits after its connection was lost, and looked for, keeps no call', async (t) => {
  const line = new LosingLine('claim-calls');
  const databaseLine = (server: { host: string; port: number }) => line.listen(server);
  const node = await startVoiceNode({ lookAgainAfterMs: 1_000, databaseLine }, false);
  t.after(async () => {
    await node.stop();
    await line.stop();
  });
  const msgid = await node.sent(PHONE);
  await holdingClaims(node, async () => {
    await node.start();
    await claims(node, "wait_event_type = 'Lock'");
    line.lose();
    // The next round looks for strays and claims what is left, which is nothing: the first claim has locked it.
    await claims(node, "state = 'idle'");
  });
  assert.equal((await node.final(msgid)).state, 'FarEnd');
  assert.equal(node.telephone.calls.of(PHONE).length, 1);
});

/** Has the node free what it claimed and knows nothing of, as it does when the answer to a claim is lost. */
async function afterLostClaim(node: VoiceNode): Promise<void> {
  let other = 0;
  await holdingClaims(node, async () => {
    other = await node.sent(OTHER_PHONE);
    for (const { pid } of await claims(node, "wait_event_type = 'Lock'"))
      await node.rows('SELECT pg_terminate_backend($1)', [pid]);
  });
  await node.final(other);
}

/** A claim that finds something waits for this row as long as `work` goes on. */
async function holdingClaims(node: VoiceNode, work: () => Promise<void>): Promise<void> {
  await node.database.transaction(async (tx) => {
    await tx.query({ name: 'hold-turn', text: 'SELECT 1 FROM call_turn FOR UPDATE' }, []);
    await work();
  });
}

/** The connections whose last statement is a claim, and which are in this state. */
function claims(node: VoiceNode, state: string): Promise<{ pid: number }[]> {
  return eventually(`a claim with ${state}`, async () => {
    const found = await node.rows<{ pid: number }>(
      `SELECT pid FROM pg_stat_activity
       WHERE datname = current_database() AND pid <> pg_backend_pid() AND query LIKE '%RECURSIVE waiting%' AND ${state}`,
    );
    return found.length > 0 ? found : undefined;
  });
}

/** Fails for the held text at first, and keeps what asks for it again waiting. */
class HeldSpeech implements SpeechDriver {
  asked = 0;
  readonly #tone = toneSpeech(200);
  readonly #held = Promise.withResolvers<void>();

  async synthesize(request: Parameters<SpeechDriver['synthesize']>[0]): Promise<Int16Array> {
    if (request.text !== HELD_TEXT) return this.#tone.synthesize(request);
    this.asked += 1;
    if (this.asked === 1) throw new SpeechFailure('crashed', 'the engine is broken');
    if (this.asked === 2) await this.#held.promise;
    return this.#tone.synthesize(request);
  }

  release(): void {
    this.#held.resolve();
  }

  async stop(): Promise<void> {}
}
