/**
 * Every parameter of every endpoint with every hostile value, in the query, in an urlencoded and in a multipart body,
 * and requests that are broken in themselves, against a platform as its users start it, with its real database.
 */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { connect } from 'node:net';
import { after, before, describe, test } from 'node:test';
import pg from 'pg';
import { ENDPOINTS, type Endpoint, expectedCode } from './hostile-endpoints.ts';
import { codeOf, FORMS, head, type HostileTarget, startHostileTarget } from './hostile-target.ts';
import { HOSTILE_KINDS, HOSTILE_VALUES, type HostileValue } from './hostile-values.ts';

const AT_ONCE = 8;
/** The server's own limits are 20 s for headers and 30 s for a request, looked after every 2 s. */
const SLOW_PATIENCE_MS = 45_000;

let target: HostileTarget;

before(async () => {
  target = await startHostileTarget();
});
after(() => target.stop());

async function judge(endpoint: Endpoint, name: string, what: HostileValue): Promise<void> {
  const value: Buffer = HOSTILE_VALUES[what];
  for (const form of FORMS) {
    const others = target.pairsOf(endpoint).filter(([known]) => known !== name);
    const response = await target.request(endpoint, [...others, [name, value]], form);
    const seen = `${endpoint.path} ${name}: ${what} by ${form}: ${response.status} ${response.body}`;
    // 40,000 bytes, three characters each, are more than a request line may be.
    if (form === 'query' && value.length > 20_000 && response.status === 431) continue;
    assert.equal(response.status, 200, seen);
    assert.ok(!('set-cookie' in response.headers), seen);
    assert.equal(codeOf(response), expectedCode(endpoint, name, what), `${seen} (${endpoint.codes[name]?.why})`);
  }
}

/** The file of each endpoint's own reading; what it reads by a name of its own is a parameter. */
const READ_IN: Readonly<Record<string, string>> = {
  '/json/sms_send.php': 'sms-send.ts',
  '/json/sms_query.php': 'sms-query.ts',
  '/json/smsmo_query.php': 'smsmo-query.ts',
  '/send_voice.php': 'voice-send.ts',
  '/query_voice.php': 'voice-query.ts',
};
/** Read and not looked at any further. */
const ONLY_NAMED = ['popup'];

test('what is attacked below is every parameter that the platform reads', () => {
  for (const [path, file] of Object.entries(READ_IN)) {
    const source = readFileSync(new URL(`../../src/http/routes/${file}`, import.meta.url), 'utf8');
    const read = [...source.matchAll(/parameters\.(?:text|credential)\('(\w+)'\)/g)].map((found) => found[1] ?? '');
    if (source.includes('parameters.message(')) read.push('message');
    const attacked = ENDPOINTS.filter((one) => one.path === path).flatMap(({ codes }) => Object.keys(codes));
    assert.ok(read.length >= 3, path);
    assert.deepEqual(
      [...new Set(attacked)].filter((name) => !ONLY_NAMED.includes(name)).toSorted(),
      [...new Set(read)].toSorted().filter((name) => !ONLY_NAMED.includes(name)),
      path,
    );
  }
});

describe('hostile values', () => {
  for (const endpoint of ENDPOINTS) {
    for (const name of Object.keys(endpoint.codes)) {
      test(`${endpoint.path} ${endpoint.how} gives each in ${name} its code`, async () => {
        for (let at = 0; at < HOSTILE_KINDS.length; at += AT_ONCE) {
          await Promise.all(HOSTILE_KINDS.slice(at, at + AT_ONCE).map((what) => judge(endpoint, name, what)));
        }
        assert.match((await target.good(endpoint)).body, endpoint.answer);
      });
    }
  }
});

const SEND = '/json/sms_send.php?username=test&password=1234&mobile=0911222333&message=a';

test('broken requests are refused by HTTP and close their connection', async () => {
  const cases: readonly (readonly [string, string, number])[] = [
    ['no request', '\r\n\r\n\0\0\0\0', 400],
    ['no method', ` ${SEND} HTTP/1.1\r\nHost: a\r\n\r\n`, 400],
    ['a method and nothing else', 'GET\r\n\r\n', 400],
    ['no version', `GET ${SEND}\r\n\r\n`, 505],
    ['no version, and headers', `GET ${SEND}\r\nHost: a\r\n\r\n`, 505],
    ['an older version', `GET ${SEND} HTTP/0.9\r\nHost: a\r\n\r\n`, 505],
    ['a newer version', `GET ${SEND} HTTP/2.0\r\nHost: a\r\n\r\n`, 505],
    ['another version', `GET ${SEND} HTTP/9.9\r\nHost: a\r\n\r\n`, 400],
    ['HTTP/2 from the start', 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', 400],
    ['TLS on the plain port', '\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03', 400],
    ['a NUL in a header', head('GET', SEND, { A: 'a\0b' }), 400],
    ['a header without a colon', `GET ${SEND} HTTP/1.1\r\nHost: a\r\nnonsense\r\n\r\n`, 400],
    ['a header folded over lines', `GET ${SEND} HTTP/1.1\r\nHost: a\r\nA: b\r\n c\rd\r\n\r\n`, 400],
    ['a length that is none', head('POST', SEND, { 'Content-Length': 'x' }), 400],
    ['a negative length', head('POST', SEND, { 'Content-Length': -1 }), 400],
    ['two lengths', head('POST', SEND, { 'Content-Length': '1\r\nContent-Length: 2' }), 400],
    ['a length and chunks', head('POST', SEND, { 'Content-Length': 1, 'Transfer-Encoding': 'chunked' }), 400],
    ['chunks that are none', `${head('POST', SEND, { 'Transfer-Encoding': 'chunked' })}zz\r\n`, 400],
    ['a chunk without end', `${head('POST', SEND, { 'Transfer-Encoding': 'chunked' })}fffffffffffffffff\r\n`, 400],
    ['another encoding', head('POST', SEND, { 'Transfer-Encoding': 'gzip' }), 400],
    ['a header of 70 kB', head('GET', SEND, { A: 'a'.repeat(70_000) }), 431],
    ['20,000 headers', `GET ${SEND} HTTP/1.1\r\nHost: a\r\n${'A: b\r\n'.repeat(20_000)}\r\n`, 431],
    ['a request line of 70 kB', `GET ${SEND}${'x'.repeat(70_000)} HTTP/1.1\r\n\r\n`, 431],
    [
      'a raw request line of 70 kB',
      Buffer.from(`GET ${SEND}\xff${'x'.repeat(70_000)}`, 'latin1').toString('latin1'),
      431,
    ],
  ];
  for (const [what, bytes, status] of cases) {
    const answer = await target.raw(Buffer.from(bytes, 'latin1'));
    assert.match(answer, new RegExp(`^HTTP/1.1 ${status} `), `${what}: ${answer.slice(0, 100)}`);
  }
});

test('headers and bodies that never end are given up in the time that a request has', async () => {
  const startedMs = performance.now();
  const dripping = (beginning: string): Promise<string> => {
    const socket = connect(target.port, '127.0.0.1');
    const drip = setInterval(() => socket.write('a'), 1_000);
    let received = '';
    socket.on('error', () => {});
    socket.on('data', (chunk: Buffer) => {
      received += chunk.toString('latin1');
    });
    socket.write(beginning);
    return once(socket, 'close').then(() => {
      clearInterval(drip);
      return received;
    });
  };
  const answers = await Promise.all([
    dripping(`GET ${SEND} HTTP/1.1\r\nHost: a\r\nA: `),
    dripping(`GET ${SEND}`),
    dripping(`GET ${SEND}\xff`),
    dripping(head('POST', SEND, { 'Content-Length': 1_000 })),
    dripping(`${head('POST', SEND, { 'Transfer-Encoding': 'chunked' })}3e8\r\n`),
  ]);
  for (const answer of answers) assert.match(answer, /^HTTP\/1.1 408 /);
  assert.ok(performance.now() - startedMs < SLOW_PATIENCE_MS);
});

test('after all of it nothing is broken, nothing was a fault, and the database holds clean text', async () => {
  for (const endpoint of ENDPOINTS) assert.match((await target.good(endpoint)).body, endpoint.answer);
  const client = new pg.Client(target.database.url);
  await client.connect();
  const { rows } = await client.query<{ bodies: number; dirty: number }>(
    `SELECT count(*)::int AS bodies, count(*) FILTER (WHERE body ~ '[\\x01-\\x09\\x0b-\\x1f\\x7f]')::int AS dirty FROM messages`,
  );
  await client.end();
  assert.ok((rows[0]?.bodies ?? 0) > 100);
  assert.equal(rows[0]?.dirty, 0);
  assert.doesNotMatch(target.platform.output(), /"level":[56]0/);
  assert.equal(target.platform.child.exitCode, null);
});
