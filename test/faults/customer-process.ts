/**
 * The customers' web server as a process of its own: answers every callback, remembers what each said, and fails for a
 * while when it is told to. Talks to the run over its IPC channel.
 */
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';

export type CustomerOrder = { readonly kind: 'fail'; readonly fails: boolean } | { readonly kind: 'tell' };

/** One callback that was answered with 200. */
export interface ReceivedCallback {
  /** Of the request, as the customer put it into the URL. */
  readonly serial: number;
  readonly msgid: number;
  readonly state: string;
}

export interface CustomerReport {
  readonly kind: 'received';
  readonly callbacks: readonly ReceivedCallback[];
  /** Requests that were no callback of a message or a call. */
  readonly strange: readonly string[];
}

const MAX_STRANGE = 100;

function readCallback(url: string): ReceivedCallback | undefined {
  const query = new URL(url, 'http://customer').searchParams;
  const serial = Number(query.get('serial') ?? 'NaN');
  const smsresp = query.get('smsresp');
  const told: Record<string, unknown> =
    smsresp === null
      ? { msgid: query.get('msgid'), state: query.get('status') }
      : (JSON.parse(smsresp) as Record<string, unknown>);
  const msgid = Number(told.msgid ?? 'NaN');
  const state = told.statustext ?? told.state;
  if (!Number.isSafeInteger(serial) || !Number.isSafeInteger(msgid) || typeof state !== 'string') return undefined;
  return { serial, msgid, state };
}

function serve(): void {
  const callbacks: ReceivedCallback[] = [];
  const strange: string[] = [];
  let fails = false;
  const server = createServer((request, response) => {
    if (fails) {
      response.writeHead(500).end();
      return;
    }
    const callback = readCallback(request.url ?? '');
    if (callback !== undefined) callbacks.push(callback);
    else if (strange.length < MAX_STRANGE) strange.push(request.url ?? '');
    response.writeHead(200, { 'content-length': 0 }).end();
  });
  process.on('message', (order: CustomerOrder) => {
    if (order.kind === 'fail') fails = order.fails;
    else process.send?.({ kind: 'received', callbacks, strange } satisfies CustomerReport);
  });
  process.on('disconnect', () => process.exit());
  process.on('SIGTERM', () => process.exit());
  server.listen(0, '127.0.0.1', () => {
    process.stdout.write(`listens on ${(server.address() as AddressInfo).port}\n`);
  });
}

if (import.meta.main) serve();
