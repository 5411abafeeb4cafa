/**
 * Damaged PDUs at bound sessions of both roles over real sockets: framed ones, which cost no more than their PDU, and
 * raw ones on connections of their own, which cost no more than those. A healthy session beside them answers on.
 */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { COMMAND, type Pdu } from '../../src/smpp/pdu.ts';
import { SmppServer } from '../../src/smpp/server.ts';
import { connectSession, type Session } from '../../src/smpp/session.ts';
import { sampleMessage } from '../unit/smpp/sample-message.ts';
import { QUIET_OPTIONS } from '../wire/smpp/esme.ts';
import { bindRaw, type RawPeer, RawSmsc, rawEsme } from '../wire/smpp/raw-peer.ts';
import { framed } from './smpp-codec.ts';
import { smppSeeds } from './smpp-corpus.ts';
import type { FuzzTarget, Verdicts } from './target.ts';

const PROBE_SEQUENCE = 0x7ffffffe;
const PATIENCE_MS = 30_000;
/** One in so many inputs goes unframed, on a connection of its own. */
const RAW_ONE_IN = 50;
/** unbind ends a session rightly, and so does its answer when one was asked for. */
const UNBINDS: readonly number[] = [COMMAND.unbind, COMMAND.unbind_resp];

/** Our side of a link to an operator. */
export function smppEsme(): FuzzTarget {
  return { name: 'smpp session, ESME', share: 0.15, seeds: smppSeeds(), start: startEsme };
}

/** The simulated operator's side. */
export function smppSmsc(): FuzzTarget {
  return { name: 'smpp session, SMSC', share: 0.15, seeds: smppSeeds(), start: startSmsc };
}

async function startEsme() {
  const verdicts: Verdicts = { good: 0, broken: 0 };
  const faults: unknown[] = [];
  const smsc = new RawSmsc();
  const port = await smsc.listen();
  const open = async (): Promise<{ session: Session; peer: RawPeer }> => {
    const accepted = smsc.accept();
    const result = await connectSession({
      host: '127.0.0.1',
      port,
      bind: { mode: 'transceiver', systemId: 'feige', password: 'secret' },
      options: QUIET_OPTIONS,
      handlers: {
        onDeliver: (_pdu, respond) => {
          verdicts.good += 1;
          respond(0);
        },
        onFault: (error) => faults.push(error),
        onClose: () => {},
      },
    });
    assert.ok(result.kind === 'bound');
    return { session: result.session, peer: await accepted };
  };
  const attacked = await open();
  const healthy = await open();
  healthy.peer.onPdu = (pdu) => {
    if (pdu.command !== 'submit_sm') return;
    healthy.peer.send({ command: 'submit_sm_resp', sequence: pdu.sequence, status: 0, messageId: 'well' });
  };
  return {
    verdicts,
    feed: async (inputs: readonly Buffer[]) => {
      await flood(attacked.peer, inputs, verdicts);
      assert.equal(attacked.session.state, 'bound');
      for (const input of rawOnes(inputs)) {
        const victim = await open();
        victim.peer.socket.end(input);
        await inTime(victim.peer.closed, 'a session whose peer has gone');
        victim.session.destroy('over');
      }
      const submitted = new Promise((resolve) => healthy.session.submit(sampleMessage(), resolve));
      assert.equal(((await inTime(submitted, 'the healthy session')) as { messageId: string }).messageId, 'well');
      assert.deepEqual(faults, []);
    },
    stop: async () => {
      for (const { session } of [attacked, healthy]) session.destroy('over');
      await smsc.close();
    },
  };
}

async function startSmsc() {
  const verdicts: Verdicts = { good: 0, broken: 0 };
  const faults: unknown[] = [];
  const server = new SmppServer({
    options: QUIET_OPTIONS,
    handlers: {
      onBind: () => 0,
      onFault: (error) => faults.push(error),
      onSession: () => ({
        onSubmit: (_message, sequence, respond) => {
          verdicts.good += 1;
          respond(0, String(sequence));
        },
        onQuery: (_messageId, _source, respond) => respond({ status: 0 }),
        onFault: (error) => faults.push(error),
        onClose: () => {},
      }),
    },
  });
  const { port } = await server.listen({ host: '127.0.0.1', port: 0 });
  const attacker = await rawEsme(port);
  await bindRaw(attacker);
  const healthy = await rawEsme(port);
  await bindRaw(healthy);
  return {
    verdicts,
    feed: async (inputs: readonly Buffer[]) => {
      await flood(attacker, inputs, verdicts);
      for (const input of rawOnes(inputs)) await inTime(strayConnection(port, input), 'a stray connection');
      healthy.send({ command: 'submit_sm', sequence: 44, status: 0, message: sampleMessage() });
      assert.equal((await inTime(healthy.next('submit_sm_resp'), 'the healthy session')).status, 0);
      assert.deepEqual(faults, []);
    },
    stop: async () => {
      attacker.socket.destroy();
      healthy.socket.destroy();
      await server.close();
    },
  };
}

function rawOnes(inputs: readonly Buffer[]): Buffer[] {
  return inputs.filter((_input, index) => index % RAW_ONE_IN === 0);
}

/** Connects, sends the bytes without a bind, and resolves when the other side has let go. */
async function strayConnection(port: number, input: Buffer): Promise<void> {
  const socket: Socket = connect({ host: '127.0.0.1', port });
  socket.on('error', () => {});
  const closed = once(socket, 'close');
  socket.end(input);
  socket.resume();
  await closed;
}

/** Sends the inputs framed, and behind them an enquire_link that a session in order answers. */
async function flood(peer: RawPeer, inputs: readonly Buffer[], verdicts: Verdicts): Promise<void> {
  const answered = Promise.withResolvers<void>();
  peer.onPdu = (pdu: Pdu) => {
    if (pdu.command === 'enquire_link_resp' && pdu.sequence === PROBE_SEQUENCE) answered.resolve();
    else if (pdu.status !== 0) verdicts.broken += 1;
  };
  peer.socket.write(Buffer.concat(inputs.map(harmlessAtTheEnd)));
  peer.send({ command: 'enquire_link', sequence: PROBE_SEQUENCE, status: 0 });
  const gone = peer.closed.then(() => assert.fail('the session did not survive'));
  await inTime(Promise.race([answered.promise, gone]), 'the attacked session');
}

function harmlessAtTheEnd(input: Buffer): Buffer {
  const bytes = framed(input);
  if (UNBINDS.includes(bytes.readUInt32BE(4))) bytes.writeUInt32BE(COMMAND.submit_sm, 4);
  if (bytes.readUInt32BE(12) === PROBE_SEQUENCE) bytes.writeUInt32BE(1, 12);
  return bytes;
}

/** Rejects when it takes too long: a hang is a finding like any other. */
export async function inTime<Result>(work: Promise<Result>, what: string): Promise<Result> {
  const late = Promise.withResolvers<never>();
  const timer = setTimeout(() => late.reject(new Error(`${what} hangs`)), PATIENCE_MS);
  return Promise.race([work, late.promise]).finally(() => clearTimeout(timer));
}
