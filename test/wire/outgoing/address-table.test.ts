/**
 * The table of addresses, through everything that calls a URL which a customer named: the check of a drurl and the
 * fetching of a voice_url behind their real endpoints, and the three kinds of callbacks. A server of the test's own
 * stands where the addresses of this machine lead, and must not see a connection.
 */
import assert from 'node:assert/strict';
import type { LookupAddress } from 'node:dns';
import { once } from 'node:events';
import net, { type AddressInfo } from 'node:net';
import { networkInterfaces } from 'node:os';
import { after, before, beforeEach, describe, test } from 'node:test';
import { FollowingClock } from '../../../src/base/clock.ts';
import { createLogger } from '../../../src/base/log.ts';
import { CallbackDelivery } from '../../../src/callback/deliver.ts';
import { DEFAULT_VOICE_PRICES, parseVoicePrices } from '../../../src/domain/voice-tariff.ts';
import type { VoiceServices } from '../../../src/http/services.ts';
import { AddressRules, type Listener } from '../../../src/outgoing/address-rules.ts';
import { OutgoingClient } from '../../../src/outgoing/client.ts';
import { DrurlCheck } from '../../../src/outgoing/drurl-check.ts';
import type { Database } from '../../../src/store/database.ts';
import { makePartitions } from '../../../src/store/partitions.ts';
import type { NewCall } from '../../../src/voice/accept.ts';
import { RecordingFetcher } from '../../../src/voice/fetch-recording.ts';
import { RecordingIntake } from '../../../src/voice/take-recording.ts';
import { eventually } from '../../harness/sms-node.ts';
import { type Platform, startPlatform } from '../http/platform.ts';
import { LITERALS, MALFORMED, NAMES } from './address-table.ts';

const TIME_ENOUGH = { timeoutMs: 5_000 };
const ACCOUNT = 1;
const KINDS = ['receipt', 'incoming', 'call'] as const;

/** Answers of the name server, changed by the tests; the names are as the URL standard writes them. */
const answers = new Map<string, readonly string[]>();
const asked: string[] = [];
const allow: string[] = [];
const listeners: Listener[] = [];
const connections: string[] = [];
const calls: NewCall[] = [];
let reply = 'HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n';
const servers = ['127.0.0.1', '127.0.0.2'].map((address) => ({ address, server: net.createServer(serve) }));
let port = 0;
let platform: Platform;

function serve(socket: net.Socket): void {
  connections.push(`${socket.localAddress}`);
  socket.on('error', () => {});
  socket.on('data', () => socket.end(reply));
}

async function lookup(name: string): Promise<readonly LookupAddress[]> {
  asked.push(name);
  return (answers.get(name) ?? []).map((address) => ({ address, family: net.isIP(address) || 4 }));
}

/** Judges by what `allow` and `listeners` hold at the moment it is made. */
function openRules(): AddressRules {
  return new AddressRules({ allow, platformListeners: () => listeners });
}

/** Both endpoints that take URLs, with nothing but acceptance made up. */
async function startEndpoints(rules: AddressRules): Promise<Platform> {
  const client = new OutgoingClient({ rules, lookup });
  const tariffs = parseVoicePrices(DEFAULT_VOICE_PRICES);
  if ('error' in tariffs) throw new Error(tariffs.error);
  const clock = new FollowingClock();
  const recordings: { intake?: RecordingIntake } = {};
  const voice: VoiceServices = {
    acceptance: {
      accept: async (call) => {
        calls.push(call);
        return { kind: 'accepted', msgid: 1 };
      },
    },
    calls: { lookUp: async () => ({ kind: 'not-found' }) },
    recordings: {
      take: async (url, accountId) =>
        recordings.intake ? recordings.intake.take(url, accountId) : assert.fail('too early'),
    },
    tariffs,
    allowedPrefixes: ['886'],
  };
  const started = await startPlatform({ drurlCheck: new DrurlCheck({ client, rules, clock }), voice });
  const fetcher = new RecordingFetcher({ rules, lookup });
  recordings.intake = new RecordingIntake({ fetcher, database: started.database, clock });
  await started.addAccount('test');
  return started;
}

async function drurlAnswer(drurl: string, more: Record<string, string> = {}): Promise<unknown> {
  const response = await platform.get('sms_send', { mobile: '0911222333', message: 'a', drurl, ...more });
  assert.equal(response.status, 200);
  return response.json().code;
}

async function voiceAnswer(parameters: Record<string, string>): Promise<string> {
  const query = new URLSearchParams({ username: 'test', password: '1234', phone: '0911222333', ...parameters });
  return (await platform.ask(`/send_voice.php?${query.toString()}`)).body;
}

const urlOf = (host: string): string => `http://${host}:${port}/x`;

before(async () => {
  for (const { address, server } of servers) {
    server.listen(port, address);
    await once(server, 'listening');
    port = (server.address() as AddressInfo).port;
  }
  for (const [host, addresses] of NAMES) answers.set(new URL(urlOf(host)).hostname, addresses);
  platform = await startEndpoints(openRules());
  await makePartitions(platform.database);
});
after(async () => {
  for (const { server } of servers) server.close();
  await platform.stop();
});
beforeEach(() => {
  connections.length = 0;
  asked.length = 0;
  platform.accepted.length = 0;
  calls.length = 0;
});

describe('at acceptance', () => {
  for (const [host, what] of LITERALS) {
    test(`${JSON.stringify(host)} is 00140 and -12: ${what}`, async () => {
      const url = urlOf(host);
      assert.equal(await drurlAnswer(url), '00140');
      assert.equal(await drurlAnswer(url, { drurl_check: 'N' }), '00140', 'without the check');
      assert.equal(await voiceAnswer({ type: '2', voice_url: url }), 'resp=-12');
      assert.deepEqual([platform.accepted, calls, connections, asked], [[], [], [], []]);
    });
  }

  for (const [url, what] of MALFORMED) {
    test(`${url} is 00140 and -12: ${what}`, async () => {
      assert.equal(await drurlAnswer(url), '00140');
      assert.equal(await voiceAnswer({ type: '2', voice_url: url }), 'resp=-12');
      assert.deepEqual([platform.accepted, calls, connections], [[], [], []]);
    });
  }

  for (const [host, addresses] of NAMES) {
    test(`${host} is 00170 and -12 when it leads to ${addresses.join(' and ')}`, async () => {
      assert.equal(await drurlAnswer(urlOf(host)), '00170');
      assert.equal(await voiceAnswer({ type: '2', voice_url: urlOf(host) }), 'resp=-12');
      assert.deepEqual([platform.accepted, calls, connections], [[], [], []]);
      assert.ok(asked.length >= 2, 'the name was not looked up');
    });
  }
});

test('at the call every address of the table is refused as an address, not found out by trying', async () => {
  const client = new OutgoingClient({ rules: openRules(), lookup });
  const fetcher = new RecordingFetcher({ rules: openRules(), lookup });
  for (const [host] of [...LITERALS, ...NAMES]) {
    assert.equal((await client.get(urlOf(host), TIME_ENOUGH)).kind, 'refused-address', host);
    const fetched = await fetcher.fetch(urlOf(host), ACCOUNT);
    assert.match(fetched.kind === 'failed' ? fetched.reason : '', /may (not )?be contacted/, host);
  }
  assert.deepEqual(connections, []);
  await client.stop();
});

interface Delivery {
  readonly results: string[];
  stop(): Promise<void>;
}

function startDelivery(database: Database): Delivery {
  const client = new OutgoingClient({ rules: openRules(), lookup });
  const results: string[] = [];
  const delivery = new CallbackDelivery({
    database,
    client,
    clock: new FollowingClock(),
    lease: { epoch: () => 1 },
    log: createLogger({ level: 'silent' }),
    concurrency: 16,
    concurrencyPerHost: 8,
    metrics: { attempted: (result) => results.push(result) },
  });
  delivery.start();
  return {
    results,
    stop: async () => {
      await Promise.all([delivery.stop(), client.stop()]);
    },
  };
}

/** A callback as acceptance, or an account's push URL, would have left it; nobody judged its URL. */
async function owe(database: Database, kind: (typeof KINDS)[number], url: string): Promise<void> {
  await database.query(
    {
      name: 'test-owe-unjudged',
      text: `INSERT INTO outbox (kind, account_id, msgid, url, host, mobile, state, payload, done_at, created_at, next_at, give_up_at)
        VALUES ($1, 1, 100000000, $2, coalesce(substring($2 FROM '//([^/]+)'), ''), '886911222333',
          CASE $1 WHEN 'call' THEN 'FarEnd' ELSE 'DELIVRD' END,
          '{"seconds":1,"points":2}', now(), now(), now(), now() + interval '24 hours')`,
    },
    [kind, url],
  );
}

const attemptsOf = async (database: Database): Promise<number[]> => {
  const rows = await database.query<{ attempts: number }>(
    { name: 'test-attempts', text: 'SELECT attempts::float8 AS attempts FROM outbox' },
    [],
  );
  return rows.map((row) => row.attempts);
};

/** Each kind to each of these, and what became of every attempt. */
async function oweAndDeliver(urls: readonly string[]): Promise<readonly string[]> {
  for (const url of urls) for (const kind of KINDS) await owe(platform.database, kind, url);
  const delivery = startDelivery(platform.database);
  await eventually('an attempt for each callback', async () => {
    const attempts = await attemptsOf(platform.database);
    return attempts.length === urls.length * KINDS.length && attempts.every((count) => count >= 1) ? true : undefined;
  });
  await delivery.stop();
  await platform.database.query({ name: 'test-empty-outbox', text: 'TRUNCATE outbox' }, []);
  return delivery.results;
}

test('receipts, pushes and ends of calls to the table are refused at the call and stay visible', async () => {
  const results = await oweAndDeliver([...LITERALS, ...NAMES].map(([host]) => new URL(urlOf(host)).href));
  assert.deepEqual(connections, []);
  assert.deepEqual(new Set(results), new Set(['refused']));
});

test('nobody is connected to for a receipt, a push or the end of a call to what is no URL', async () => {
  const local = [`http://user:password@127.0.0.1:${port}/`, `//127.0.0.1:${port}/`, `ftp://127.0.0.1:${port}/`];
  const results = await oweAndDeliver([
    ...MALFORMED.map(([url]) => url).filter((url) => !url.includes('8.8.8.8')),
    ...local,
  ]);
  assert.deepEqual(connections, []);
  assert.ok(!results.includes('ok'), results.join());
});

/** With 127.0.0.1 open and its neighbour 127.0.0.2, where the same server answers, closed. */
describe('a name whose answer changes', () => {
  const closed = '127.0.0.2';
  const url = () => urlOf('rebound.example');
  let strict: Platform;

  before(async () => {
    allow.push('127.0.0.1');
    strict = platform;
    platform = await startEndpoints(openRules());
    await makePartitions(platform.database);
  });
  after(async () => {
    allow.length = 0;
    await platform.stop();
    platform = strict;
  });

  test('after a good check it is refused at the call, and called once it leads back', async () => {
    answers.set('rebound.example', ['127.0.0.1']);
    assert.equal(await drurlAnswer(url()), '00000');
    assert.deepEqual(connections, ['127.0.0.1']);
    answers.set('rebound.example', [closed]);
    await owe(platform.database, 'receipt', url());
    const delivery = startDelivery(platform.database);
    await eventually('the refusal', async () => (delivery.results.length > 0 ? true : undefined));
    assert.deepEqual([delivery.results, connections], [['refused'], ['127.0.0.1']]);
    answers.set('rebound.example', ['127.0.0.1']);
    await platform.database.query({ name: 'test-due', text: 'UPDATE outbox SET next_at = now()' }, []);
    await eventually('the callback', async () => (delivery.results.length > 1 ? true : undefined));
    assert.deepEqual(
      [delivery.results, connections],
      [
        ['refused', 'ok'],
        ['127.0.0.1', '127.0.0.1'],
      ],
    );
    await delivery.stop();
  });

  test('the remembered 200 of a check opens nothing: the call is judged by itself', async () => {
    answers.set('rebound.example', ['127.0.0.1']);
    await drurlAnswer(url());
    answers.set('rebound.example', [closed]);
    connections.length = 0;
    assert.equal(await drurlAnswer(url()), '00000');
    assert.equal((await startedClient().get(url(), TIME_ENOUGH)).kind, 'refused-address');
    assert.deepEqual(connections, []);
  });

  test('is asked for once a connection, and the connection goes to what that answer was judged by', async () => {
    const flips = ['127.0.0.1', closed, closed];
    const flipping = async (name: string): Promise<readonly LookupAddress[]> => {
      asked.push(name);
      return [{ address: flips.shift() ?? closed, family: 4 }];
    };
    const client = new OutgoingClient({ rules: openRules(), lookup: flipping });
    assert.deepEqual(await client.get(url(), TIME_ENOUGH), { kind: 'answered', status: 200 });
    assert.deepEqual([asked, connections], [['rebound.example'], ['127.0.0.1']]);
    assert.equal((await client.get(url(), TIME_ENOUGH)).kind, 'refused-address');
    const fetcher = new RecordingFetcher({ rules: openRules(), lookup: flipping });
    assert.equal((await fetcher.fetch(url(), ACCOUNT)).kind, 'failed');
    assert.deepEqual(connections, ['127.0.0.1']);
    await client.stop();
  });

  test('a mixed answer leads to its open addresses only', async () => {
    answers.set('rebound.example', [closed, '10.0.0.1', '127.0.0.1', '::ffff:127.0.0.2']);
    assert.equal((await startedClient().get(url(), TIME_ENOUGH)).kind, 'answered');
    assert.deepEqual(connections, ['127.0.0.1']);
  });

  test('a redirect to a closed address is an answer, and nobody follows it', async () => {
    answers.set('moved.example', ['127.0.0.1']);
    const usual = reply;
    for (const status of [301, 302, 303, 307, 308]) {
      reply = `HTTP/1.1 ${status} Moved\r\nLocation: ${urlOf(closed)}\r\nContent-Length: 0\r\n\r\n`;
      connections.length = 0;
      assert.equal(await drurlAnswer(urlOf('moved.example')), '00170');
      assert.equal(await voiceAnswer({ type: '2', voice_url: urlOf('moved.example') }), 'resp=-12');
      assert.deepEqual(connections, ['127.0.0.1', '127.0.0.1'], String(status));
    }
    assert.deepEqual([platform.accepted, calls], [[], []]);
    connections.length = 0;
    const results = await oweAndDeliver([urlOf('moved.example')]);
    assert.deepEqual([new Set(results), new Set(connections)], [new Set(['failed']), new Set(['127.0.0.1'])]);
    reply = usual;
  });

  test('the platform itself stays closed though its address is open, by every way to it', async () => {
    listeners.push({ address: '0.0.0.0', port });
    answers.set('own.example', ['127.0.0.1', '::ffff:127.0.0.1']);
    const addresses = Object.values(networkInterfaces()).flatMap((entries) => entries ?? []);
    const hosts = ['127.0.0.1', '2130706433', '[::ffff:7f00:1]', ...addresses.map(({ address }) => address)];
    for (const host of hosts.map((one) => (net.isIPv6(one) ? `[${one}]` : one)).filter((one) => !one.includes('%'))) {
      assert.equal(await drurlAnswer(urlOf(host)), '00140', host);
    }
    assert.equal(await drurlAnswer(urlOf('own.example')), '00170');
    assert.equal(await voiceAnswer({ type: '2', voice_url: urlOf('own.example') }), 'resp=-12');
    const owed = [...hosts.filter((one) => net.isIPv4(one)), 'own.example'];
    assert.deepEqual(new Set(await oweAndDeliver(owed.map(urlOf))), new Set(['refused']));
    listeners.length = 0;
    assert.deepEqual(connections, []);
  });
});

const clients: OutgoingClient[] = [];
after(() => Promise.all(clients.map((client) => client.stop())));

function startedClient(): OutgoingClient {
  const client = new OutgoingClient({ rules: openRules(), lookup });
  clients.push(client);
  return client;
}

test('a response that may not be called is no reason to refuse a call; it is refused when it is called', async () => {
  assert.equal(await voiceAnswer({ type: '1', message: 'hi', response: urlOf('127.0.0.1') }), 'resp=1,2');
  assert.equal(calls[0]?.response, urlOf('127.0.0.1'));
  for (const [response, what] of MALFORMED) {
    calls.length = 0;
    assert.equal(await voiceAnswer({ type: '1', message: 'hi', response }), 'resp=1,2');
    const kept: string | undefined = calls[0]?.response;
    // Some of them are another way to write an address, which is judged like any other.
    assert.ok(kept === undefined || openRules().literalVerdict(new URL(kept)) === 'forbidden', `${what}: ${kept}`);
  }
  assert.deepEqual(connections, []);
});

test('the table has the cases that were asked for', () => {
  assert.ok(LITERALS.length + NAMES.length + MALFORMED.length >= 40);
});
