/** A client session bound to a raw SMSC, and what its handlers saw. */
import assert from 'node:assert/strict';
import type { TestContext } from 'node:test';
import type { MessagePdu } from '../../../src/smpp/pdu.ts';
import {
  type ConnectTarget,
  connectSession,
  type Session,
  type SessionOptions,
  type SubmitResult,
} from '../../../src/smpp/session.ts';
import { sampleMessage } from '../../unit/smpp/sample-message.ts';
import { type RawPeer, RawSmsc } from './raw-peer.ts';

export const QUIET_OPTIONS: SessionOptions = { window: 10, responseTimeoutMs: 10_000, enquireLinkMs: 0 };

export interface Seen {
  delivered: { pdu: MessagePdu; respond: (status: number) => void }[];
  late: [sequence: number, status: number, messageId: string][];
  faults: unknown[];
  closeReasons: string[];
  closed: Promise<string>;
}

export function target(port: number, changes: Partial<ConnectTarget> = {}): { target: ConnectTarget; seen: Seen } {
  const { promise, resolve } = Promise.withResolvers<string>();
  const seen: Seen = { delivered: [], late: [], faults: [], closeReasons: [], closed: promise };
  return {
    seen,
    target: {
      host: '127.0.0.1',
      port,
      bind: { mode: 'transceiver', systemId: 'feige', password: 'secret' },
      options: QUIET_OPTIONS,
      handlers: {
        onDeliver: (pdu, respond) => {
          seen.delivered.push({ pdu, respond });
          respond(0);
        },
        onLateResponse: (...late) => seen.late.push(late),
        onFault: (error) => seen.faults.push(error),
        onClose: (reason) => {
          seen.closeReasons.push(reason);
          resolve(reason);
        },
      },
      ...changes,
    },
  };
}

/** Bound, with the raw peer in the test's hand; all of it is gone when the test ends. */
export async function boundToRaw(
  context: TestContext,
  options: Partial<SessionOptions> = {},
  handlers: Partial<ConnectTarget['handlers']> = {},
): Promise<{ session: Session; smsc: RawPeer; seen: Seen }> {
  const server = new RawSmsc();
  const port = await server.listen();
  context.after(() => server.close());
  const esme = target(port, { options: { ...QUIET_OPTIONS, ...options } });
  esme.target.handlers = { ...esme.target.handlers, ...handlers };
  const accepted = server.accept();
  const result = await connectSession(esme.target);
  assert.ok(result.kind === 'bound');
  context.after(() => result.session.destroy('test over'));
  return { session: result.session, smsc: await accepted, seen: esme.seen };
}

export function submit(session: Session): Promise<SubmitResult> {
  return new Promise((resolve) => session.submit(sampleMessage(), resolve));
}
