/** The platform as its users start it, with its real database, and the ways in which hostile requests are sent to it. */
import assert from 'node:assert/strict';
import { connect } from 'node:net';
import { createTestDatabase, type TestDatabase } from '../harness/database.ts';
import { makeDataDir, type PlatformProcess, startPlatformProcess } from '../harness/platform-process.ts';
import { eventually } from '../harness/sms-node.ts';
import { ask, type Response } from '../wire/http/platform.ts';
import { ENDPOINTS, type Endpoint } from './hostile-endpoints.ts';

export const BOUNDARY = 'a-boundary';
export const FORMS = ['query', 'urlencoded', 'multipart'] as const;
export const URLENCODED = 'application/x-www-form-urlencoded';

export type Form = (typeof FORMS)[number];
/** In their order; a name may stand there several times. */
export type Pairs = readonly (readonly [name: string, value: Buffer])[];

export interface HostileTarget {
  readonly platform: PlatformProcess;
  readonly database: TestDatabase;
  readonly port: number;
  /** Of a request to this endpoint that is in order. */
  pairsOf(endpoint: Endpoint): Pairs;
  request(endpoint: Endpoint, pairs: Pairs, form: Form): Promise<Response>;
  good(endpoint: Endpoint): Promise<Response>;
  post(path: string, contentType: string, body: Buffer | string): Promise<Response>;
  /** What comes back for these bytes until the server closes; the sending side stays open. */
  raw(bytes: Buffer | string): Promise<string>;
  stop(): Promise<void>;
}

/** @param more environment beside that of every target */
export async function startHostileTarget(more: Readonly<Record<string, string>> = {}): Promise<HostileTarget> {
  const database = await createTestDatabase();
  const directory = await makeDataDir();
  const env = { DATABASE_URL: database.url, SIMULATOR: 'on', SPEECH: 'off', ...more };
  const platform = await startPlatformProcess({ dataDir: directory.path, env });
  const port = Number(new URL(platform.http).port);
  let msgid = '';
  const post: HostileTarget['post'] = (path, contentType, body) =>
    ask(port, path, { method: 'POST', headers: { 'Content-Type': contentType }, body });
  const pairsOf: HostileTarget['pairsOf'] = ({ good: parameters }) =>
    Object.entries(parameters).map(([name, value]) => [name, Buffer.from(value === 'MSGID' ? msgid : value)]);
  const request: HostileTarget['request'] = ({ path }, pairs, form) => {
    if (form === 'multipart') return post(path, `multipart/form-data; boundary=${BOUNDARY}`, multipart(pairs));
    const encoded = urlencoded(pairs);
    return form === 'query' ? ask(port, `${path}?${encoded}`) : post(path, URLENCODED, encoded);
  };
  const good: HostileTarget['good'] = (endpoint) => request(endpoint, pairsOf(endpoint), 'query');
  const [send, query] = ENDPOINTS;
  assert.ok(send !== undefined && query !== undefined);
  msgid = String((await good(send)).json().msgid);
  // Whatever is asked from now on, its state is the final one.
  await eventually('the message at its handset', async () => query.answer.test((await good(query)).body) || undefined);
  return {
    platform,
    database,
    port,
    pairsOf,
    request,
    good,
    post,
    raw: (bytes) => exchange(port, bytes),
    stop: async () => {
      await platform.end('SIGTERM');
      await database.drop();
      await directory.remove();
    },
  };
}

async function exchange(port: number, bytes: Buffer | string): Promise<string> {
  const socket = connect(port, '127.0.0.1');
  let received = '';
  socket.on('error', () => {});
  socket.on('data', (chunk: Buffer) => {
    received += chunk.toString('latin1');
  });
  // Not `once`, which rejects when the server has closed before all was written.
  const closed = new Promise((resolve) => socket.once('close', resolve));
  socket.write(bytes);
  await closed;
  return received;
}

export function urlencoded(pairs: Pairs): string {
  return pairs.map(([name, value]) => `${name}=${percent(value)}`).join('&');
}

/** Long values as short as they can be written, so that they fit a request line. */
function percent(value: Buffer): string {
  const isPlain = value.length > 1_000 && value.every((byte) => byte === 0x61);
  return isPlain ? value.toString() : Array.from(value, (byte) => `%${byte.toString(16).padStart(2, '0')}`).join('');
}

function multipart(pairs: Pairs): Buffer {
  const parts = pairs.flatMap(([name, value]) => [
    Buffer.from(`--${BOUNDARY}\r\nContent-Disposition: form-data; name="${name}"\r\n\r\n`),
    value,
    Buffer.from('\r\n'),
  ]);
  return Buffer.concat([...parts, Buffer.from(`--${BOUNDARY}--\r\n`)]);
}

/** The code of an answer; `0` for a call that was taken. */
export function codeOf({ body }: Response): string {
  const voice = /^resp=(-\d+|\d)/.exec(body)?.[1];
  if (voice !== undefined) return voice.startsWith('-') ? voice : '0';
  return String((JSON.parse(body) as { code: string }).code);
}

export function head(method: string, path: string, headers: Record<string, string | number>): string {
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`);
  return `${method} ${path} HTTP/1.1\r\nHost: a\r\n${lines.join('')}\r\n`;
}
