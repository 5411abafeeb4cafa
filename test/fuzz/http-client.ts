/**
 * Damaged answers to the two clients that ask what customers name, for callbacks and for recordings: every request
 * ends in bounded time with an outcome, none is sent anywhere else, and a healthy site is asked by the same clients all
 * the while.
 */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, type Server, type Socket } from 'node:net';
import { AddressRules } from '../../src/outgoing/address-rules.ts';
import { OutgoingClient } from '../../src/outgoing/client.ts';
import { RecordingFetcher } from '../../src/voice/fetch-recording.ts';
import { HTTP_SPICE } from './http-corpus.ts';
import { inTime } from './smpp-sessions.ts';
import type { FuzzTarget, StartedTarget, Verdicts } from './target.ts';
import { readTextCorpus } from './text-corpus.ts';

/** As many as may wait for a place to fetch a recording, and fewer than may be open to one site. */
const AT_ONCE = 32;
const TIMEOUT_MS = 10_000;
const HEALTHY = Buffer.from('HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nwell');

export function httpClient(): FuzzTarget {
  const seeds = { inputs: readTextCorpus('http-answers.txt'), spice: HTTP_SPICE };
  return { name: 'http client', share: 0.05, seeds, start: startClient };
}

async function startClient(): Promise<StartedTarget> {
  const verdicts: Verdicts = { good: 0, broken: 0 };
  const answers = new Map<string, Buffer>();
  const strayed: string[] = [];
  const site = await listening((socket, path) => {
    const answer = answers.get(path);
    if (answer === undefined) strayed.push(path);
    socket.end(answer ?? '');
  });
  const healthy = await listening((socket) => socket.write(HEALTHY));
  const rules = new AddressRules({ allow: ['127.0.0.0/8'], platformListeners: () => [] });
  const client = new OutgoingClient({ rules });
  const recordings = new RecordingFetcher({ rules, timeoutMs: TIMEOUT_MS });
  let asked = 0;
  const attack = async (answer: Buffer): Promise<void> => {
    asked += 1;
    const path = `/${asked}`;
    answers.set(path, answer);
    const url = `${site.origin}${path}`;
    const asking =
      asked % 2 === 0 ? client.get(url, { timeoutMs: TIMEOUT_MS }) : recordings.fetch(url, asked % AT_ONCE);
    const outcome = await inTime<{ kind: string; reason?: string }>(asking, 'a request');
    answers.delete(path);
    assert.notEqual(outcome.reason, 'timed out', 'the end of the connection was not noticed');
    assert.notEqual(outcome.kind, 'refused-address');
    verdicts[outcome.kind === 'failed' ? 'broken' : 'good'] += 1;
  };
  const askHealthy = async (): Promise<void> => {
    const answered = await client.get(healthy.origin, { timeoutMs: TIMEOUT_MS });
    assert.deepEqual(answered, { kind: 'answered', status: 200 });
    const fetched = await recordings.fetch(healthy.origin, 0);
    assert.deepEqual(fetched, { kind: 'fetched', file: Buffer.from('well') });
  };
  return {
    verdicts,
    feed: async (inputs) => {
      for (let at = 0; at < inputs.length; at += AT_ONCE) {
        const attacks = inputs.slice(at, at + AT_ONCE).map(attack);
        await Promise.all([...attacks, inTime(askHealthy(), 'the healthy site')]);
      }
      assert.deepEqual(strayed, []);
    },
    stop: async () => {
      await client.stop();
      await Promise.all([site.stop(), healthy.stop()]);
    },
  };
}

/** Hands over each request's path when its head is there. */
async function listening(onRequest: (socket: Socket, path: string) => void) {
  const sockets = new Set<Socket>();
  const server: Server = createServer((socket) => {
    sockets.add(socket);
    socket.once('close', () => sockets.delete(socket));
    socket.on('error', () => {});
    let head = '';
    socket.on('data', (chunk: Buffer) => {
      head += chunk.toString('latin1');
      if (!head.includes('\r\n\r\n')) return;
      const path = head.split(' ', 2)[1] ?? '';
      head = '';
      onRequest(socket, path);
    });
  });
  server.listen({ host: '127.0.0.1', port: 0 });
  await once(server, 'listening');
  const address = server.address();
  assert.ok(address !== null && typeof address === 'object');
  return {
    origin: `http://127.0.0.1:${address.port}`,
    stop: async (): Promise<void> => {
      for (const socket of sockets) socket.destroy();
      server.close();
      await once(server, 'close');
    },
  };
}
