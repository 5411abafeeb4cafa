/**
 * Damaged requests as bytes on real connections to the real server, with stand-ins behind its endpoints: every
 * connection is answered and closed in bounded time, with no status of a fault and no code of one, and a customer's own
 * connection beside them is answered all the while. The connections come from many addresses, or the pauses of 2 s that
 * meet one who guesses passwords would be most of a run (20,000 inputs: 41 s from one address, 6 s from many).
 */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect } from 'node:net';
import { ManualClock } from '../../src/base/clock.ts';
import { createLogger } from '../../src/base/log.ts';
import { createMetrics } from '../../src/base/metrics.ts';
import { hashPassword } from '../../src/base/password.ts';
import { DEFAULT_PRICES, parsePrices } from '../../src/domain/price.ts';
import { DEFAULT_VOICE_PRICES, parseVoicePrices } from '../../src/domain/voice-tariff.ts';
import { createHttpServer, type HttpServer } from '../../src/http/server.ts';
import type { VoiceServices } from '../../src/http/services.ts';
import type { Account } from '../../src/store/accounts.ts';
import { httpSeeds } from './http-corpus.ts';
import { inTime } from './smpp-sessions.ts';
import type { FuzzTarget, StartedTarget, Verdicts } from './target.ts';

const AT_ONCE = 32;
/** Of 127.0.0.0/8, all of which is loopback on Linux: from so many a wrong password finds a token, and is hashed. */
const ADDRESSES = 1_000;
const HEALTHY =
  'GET /json/sms_send.php?username=test&password=1234&mobile=0911222333&message=well HTTP/1.1\r\nHost: a\r\n\r\n';
const STATUS = /HTTP\/1\.1 (\d{3}) /g;
const ALLOWED = new Set(['100', '200', '400', '404', '405', '408', '413', '414', '415', '417', '431', '501', '505']);
/** Codes that only a fault gives. */
const FAULTS = /"code":"9999[89]"|resp=-99/;
const MAX_ANSWER_CHARACTERS = 1_000_000;

export function httpServer(): FuzzTarget {
  return { name: 'http server', share: 0.1, seeds: httpSeeds(), start: startServer };
}

async function startServer(): Promise<StartedTarget> {
  const verdicts: Verdicts = { good: 0, broken: 0 };
  const metrics = createMetrics();
  const server = await listening(metrics);
  const port = server.addresses()[0]?.port ?? 0;
  const healthy = connect({ host: '127.0.0.1', port });
  await once(healthy, 'connect');
  let connections = 0;
  const attack = async (input: Buffer): Promise<void> => {
    connections += 1;
    const answer = await inTime(exchange({ port, localAddress: addressOf(connections) }, input), 'a connection');
    const statuses = [...answer.matchAll(STATUS)].map((found) => found[1] ?? '');
    for (const status of statuses) assert.ok(ALLOWED.has(status), `an answer of ${status}`);
    assert.doesNotMatch(answer, FAULTS);
    verdicts[statuses.includes('200') ? 'good' : 'broken'] += 1;
  };
  return {
    verdicts,
    feed: async (inputs) => {
      for (let at = 0; at < inputs.length; at += AT_ONCE) {
        healthy.write(HEALTHY);
        const answered = once(healthy, 'data') as Promise<[Buffer]>;
        await Promise.all([...inputs.slice(at, at + AT_ONCE).map(attack), inTime(answered, 'the healthy connection')]);
        assert.match((await answered)[0].toString('latin1'), /"code":"00000"/);
      }
    },
    stop: async () => {
      healthy.destroy();
      await server.stop();
      metrics.stop();
    },
  };
}

function addressOf(connection: number): string {
  const number = connection % ADDRESSES;
  return `127.1.${number >> 8}.${number & 0xff}`;
}

/** Everything that comes back until the server has closed. */
async function exchange(where: { port: number; localAddress: string }, input: Buffer): Promise<string> {
  const socket = connect({ host: '127.0.0.1', ...where, noDelay: true });
  let answer = '';
  socket.on('error', () => {});
  socket.on('data', (chunk: Buffer) => {
    if (answer.length < MAX_ANSWER_CHARACTERS) answer += chunk.toString('latin1');
  });
  const closed = new Promise((resolve) => socket.once('close', resolve));
  // In two segments, at a place that depends on the input.
  const at = (input[0] ?? 0) % (input.length + 1);
  socket.write(input.subarray(0, at));
  socket.end(input.subarray(at));
  await closed;
  return answer;
}

async function listening(metrics: ReturnType<typeof createMetrics>): Promise<HttpServer> {
  const prices = parsePrices(DEFAULT_PRICES);
  if ('error' in prices) throw new Error(prices.error);
  const account = await testAccount();
  const server = createHttpServer({
    config: { trustedProxies: ['127.0.0.0/8'] },
    accounts: {
      find: (username) => (username === account.username ? account : Promise.resolve(undefined)),
      forget: () => {},
      readBalance: async () => 1_000,
    },
    acceptance: { accept: async () => ({ kind: 'accepted', msgid: 100_000_000 }) },
    messages: { lookUp: async () => ({ kind: 'pending' }), deleteScheduled: async () => true },
    incoming: { find: async () => ({ kind: 'unknown-number' }) },
    drurlCheck: { check: async () => true, isForbiddenLiteral: () => false },
    clock: new ManualClock(Date.UTC(2026, 10, 22)),
    log: createLogger({ level: 'silent' }),
    metrics,
    prices,
    ready: () => true,
    voice: voiceServices(),
  });
  await server.listenHttp({ host: '127.0.0.1', port: 0 });
  return server;
}

async function testAccount(): Promise<Account> {
  return {
    accountId: 1,
    username: 'test',
    passwordHash: await hashPassword('1234'),
    state: 'active',
    api: true,
    international: true,
    ipAllow: [],
    textEncoding: 'auto',
    doubleEncoding: 'auto',
    incomingUrl: undefined,
    sourceAddress: undefined,
    share: 1,
    version: 1,
    balance: 1_000_000_000,
  };
}

function voiceServices(): VoiceServices {
  const tariffs = parseVoicePrices(DEFAULT_VOICE_PRICES);
  if ('error' in tariffs) throw new Error(tariffs.error);
  return {
    acceptance: { accept: async () => ({ kind: 'accepted', msgid: 100_000_000 }) },
    calls: { lookUp: async () => ({ kind: 'pending' }) },
    recordings: { take: async () => ({ ok: false, code: '-12' }) },
    tariffs,
    allowedPrefixes: ['886'],
  };
}
