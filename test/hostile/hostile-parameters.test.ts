/**
 * Every parameter of every endpoint with every hostile value, in the query, in an urlencoded and in a multipart body,
 * and requests that are broken in themselves, against a platform as its users start it, with its real database.
 */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect } from 'node:net';
import { after, before, describe, test } from 'node:test';
import pg from 'pg';
import { createTestDatabase, type TestDatabase } from '../harness/database.ts';
import { makeDataDir, type PlatformProcess, startPlatformProcess } from '../harness/platform-process.ts';
import { ask, type Response } from '../wire/http/platform.ts';
import { ENDPOINTS, type Endpoint, EXCEPTIONS, HOSTILE_VALUES } from './hostile-values.ts';

const AT_ONCE = 8;
const BOUNDARY = 'a-boundary';
const FORMS = ['query', 'urlencoded', 'multipart'] as const;
const MIB = 1_048_576;
/** The server's own limits are 20 s for headers and 30 s for a request, looked after every 2 s. */
const SLOW_PATIENCE_MS = 45_000;

let database: TestDatabase;
let directory: Awaited<ReturnType<typeof makeDataDir>>;
let platform: PlatformProcess;
let port = 0;
let msgid = '';

before(async () => {
  database = await createTestDatabase();
  directory = await makeDataDir();
  const env = { DATABASE_URL: database.url, SIMULATOR: 'on', SPEECH: 'off' };
  platform = await startPlatformProcess({ dataDir: directory.path, env });
  port = Number(new URL(platform.http).port);
  msgid = String((await good(ENDPOINTS[0])).json().msgid);
});
after(async () => {
  await platform.end('SIGTERM');
  await database.drop();
  await directory.remove();
});

function parametersOf({ good: parameters }: Endpoint): Record<string, Buffer> {
  return Object.fromEntries(
    Object.entries(parameters).map(([name, value]) => [name, Buffer.from(value === 'MSGID' ? msgid : value)]),
  );
}

function good(endpoint: Endpoint | undefined): Promise<Response> {
  assert.ok(endpoint);
  return request(endpoint, parametersOf(endpoint), 'query');
}

function request(
  { path }: Endpoint,
  parameters: Record<string, Buffer>,
  form: (typeof FORMS)[number],
): Promise<Response> {
  if (form === 'multipart') return post(path, `multipart/form-data; boundary=${BOUNDARY}`, multipart(parameters));
  const pairs = Object.entries(parameters).map(([name, value]) => `${name}=${percent(value)}`);
  if (form === 'query') return ask(port, `${path}?${pairs.join('&')}`);
  return post(path, 'application/x-www-form-urlencoded', Buffer.from(pairs.join('&')));
}

function post(path: string, contentType: string, body: Buffer | string): Promise<Response> {
  return ask(port, path, { method: 'POST', headers: { 'Content-Type': contentType }, body });
}

/** Long values as short as they can be written, so that they fit a request line. */
function percent(value: Buffer): string {
  const isPlain = value.length > 1_000 && value.every((byte) => byte === 0x61);
  return isPlain ? value.toString() : Array.from(value, (byte) => `%${byte.toString(16).padStart(2, '0')}`).join('');
}

function multipart(parameters: Record<string, Buffer>): Buffer {
  const parts = Object.entries(parameters).flatMap(([name, value]) => [
    Buffer.from(`--${BOUNDARY}\r\nContent-Disposition: form-data; name="${name}"\r\n\r\n`),
    value,
    Buffer.from('\r\n'),
  ]);
  return Buffer.concat([...parts, Buffer.from(`--${BOUNDARY}--\r\n`)]);
}

function codeOf({ body }: Response): string {
  const voice = /^resp=(-\d+|\d)/.exec(body)?.[1];
  if (voice !== undefined) return voice.startsWith('-') ? voice : '0';
  return String((JSON.parse(body) as { code: string }).code);
}

async function judge(endpoint: Endpoint, name: string, what: string): Promise<void> {
  const value = HOSTILE_VALUES[what] ?? assert.fail(what);
  for (const form of FORMS) {
    const response = await request(endpoint, { ...parametersOf(endpoint), [name]: value }, form);
    const seen = `${endpoint.path} ${name}: ${what} by ${form}: ${response.status} ${response.body}`;
    // 40,000 bytes, three characters each, are more than a request line may be.
    if (form === 'query' && value.length > 20_000 && response.status === 431) continue;
    assert.equal(response.status, 200, seen);
    assert.ok(!('set-cookie' in response.headers), seen);
    const allowed = [...(endpoint.codes[name] ?? []), ...(EXCEPTIONS[what] ?? [])];
    assert.ok(allowed.includes(codeOf(response)), seen);
  }
}

describe('hostile values', () => {
  for (const endpoint of ENDPOINTS) {
    for (const name of Object.keys(endpoint.codes)) {
      test(`${endpoint.path} judges each in ${name}`, async () => {
        const kinds = Object.keys(HOSTILE_VALUES);
        for (let at = 0; at < kinds.length; at += AT_ONCE) {
          await Promise.all(kinds.slice(at, at + AT_ONCE).map((what) => judge(endpoint, name, what)));
        }
        assert.match((await good(endpoint)).body, endpoint.answer);
      });
    }
  }
});

describe('bodies', () => {
  const path = '/json/sms_send.php';
  const form = 'application/x-www-form-urlencoded';
  const credentials = 'username=test&password=1234&mobile=0911222333';
  const codeOfPost = async (contentType: string, body: Buffer | string): Promise<string> =>
    codeOf(await post(path, contentType, body));

  test('of 10 MB are 413, of every type, announced or in chunks', async () => {
    const body = Buffer.alloc(10 * MIB, 'a');
    for (const type of [form, `multipart/form-data; boundary=${BOUNDARY}`, 'application/json', 'text/plain']) {
      assert.match(
        await raw(head('POST', path, { 'Content-Type': type, 'Content-Length': body.length })),
        /^HTTP\/1.1 413 /,
      );
      const chunk = Buffer.concat([Buffer.from('100000\r\n'), body.subarray(0, MIB), Buffer.from('\r\n')]);
      const chunked = head('POST', path, { 'Content-Type': type, 'Transfer-Encoding': 'chunked' });
      assert.match(await raw(Buffer.concat([Buffer.from(chunked), chunk, chunk, chunk])), /^HTTP\/1.1 413 /);
    }
  });

  test('of 10,000 parameters count up to the thousandth', async () => {
    const many = Array.from({ length: 10_000 }, (_, index) => `p${index}=1`).join('&');
    assert.equal(await codeOfPost(form, `${credentials}&message=a&${many}`), '00000');
    assert.equal(await codeOfPost(form, `${many}&${credentials}&message=a`), '00010');
    assert.equal((await ask(port, `${path}?${many}`)).status, 431);
  });

  test('with a parameter twice count the last, be it worse or better', async () => {
    assert.equal(await codeOfPost(form, `${credentials}&message=a&mobile=1`), '00100');
    assert.equal(await codeOfPost(form, `mobile=1&${credentials}&message=a`), '00000');
    assert.equal(await codeOfPost(form, `${credentials}&message=a&username[]=x&username[x]=y`), '00000');
  });

  test('of JSON have no parameters', async () => {
    for (const body of ['{"username":"test","password":"1234"}', '{', '[[[[', '{"__proto__":{"username":"test"}}']) {
      assert.equal(await codeOfPost('application/json', body), '00010');
    }
  });

  const field = (name: string, value: string): string =>
    `Content-Disposition: form-data; name="${name}"\r\n\r\n${value}`;
  const parts = (boundary: string): string =>
    [field('username', 'test'), field('password', '1234'), field('mobile', '0911222333'), field('message', 'a')]
      .map((part) => `--${boundary}\r\n${part}\r\n`)
      .join('');
  const long = 'b'.repeat(10_000);
  const cases: readonly (readonly [what: string, contentType: string, body: string, code: string])[] = [
    ['in order', 'multipart/form-data; boundary=b', `${parts('b')}--b--\r\n`, '00000'],
    ['without a boundary', 'multipart/form-data', `${parts('b')}--b--\r\n`, '00010'],
    ['with an empty boundary', 'multipart/form-data; boundary=', `${parts('')}----\r\n`, '00010'],
    ['with a boundary of 10 kB', `multipart/form-data; boundary=${long}`, `${parts(long)}--${long}--`, '00010'],
    ['with another boundary than it says', 'multipart/form-data; boundary=c', `${parts('b')}--b--\r\n`, '00010'],
    ['that never ends', 'multipart/form-data; boundary=b', `${parts('b')}--b\r\n${field('x', 'y')}`, '00000'],
    ['that ends in its first part', 'multipart/form-data; boundary=b', '--b\r\nContent-Disp', '00010'],
    ['with nothing', 'multipart/form-data; boundary=b', '--b--\r\n', '00010'],
    [
      'with another multipart inside',
      'multipart/form-data; boundary=b',
      `--b\r\nContent-Type: multipart/form-data; boundary=c\r\n\r\n${parts('c')}--c--\r\n--b--\r\n`,
      '00010',
    ],
    [
      'with a header of 100 kB',
      'multipart/form-data; boundary=b',
      `--b\r\nX: ${'y'.repeat(100_000)}\r\n${field('x', 'y')}\r\n${parts('b')}--b--\r\n`,
      '00000',
    ],
    [
      'with 10,000 headers',
      'multipart/form-data; boundary=b',
      `--b\r\n${'A: b\r\n'.repeat(10_000)}\r\n1\r\n${parts('b')}--b--\r\n`,
      '00000',
    ],
    [
      'with 10,000 parts after them',
      'multipart/form-data; boundary=b',
      `${parts('b')}${`--b\r\n${field('x', 'y')}\r\n`.repeat(10_000)}--b--`,
      '00000',
    ],
    [
      'with 10,000 parts before them',
      'multipart/form-data; boundary=b',
      `${`--b\r\n${field('x', 'y')}\r\n`.repeat(10_000)}${parts('b')}--b--`,
      '00010',
    ],
    ['of nothing but boundaries', 'multipart/form-data; boundary=b', '\r\n--b'.repeat(200_000), '00010'],
    [
      'with a name of 100 kB',
      'multipart/form-data; boundary=b',
      `--b\r\n${field(`n${'y'.repeat(100_000)}`, 'y')}\r\n${parts('b')}--b--\r\n`,
      '00000',
    ],
  ];
  for (const [what, contentType, body, code] of cases) {
    test(`of multipart ${what} are ${code}`, async () => {
      assert.equal(await codeOfPost(contentType, body), code);
    });
  }
});

function head(method: string, path: string, headers: Record<string, string | number>): string {
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`);
  return `${method} ${path} HTTP/1.1\r\nHost: a\r\n${lines.join('')}\r\n`;
}

/** What comes back for these bytes until the server closes; the sending side stays open. */
async function raw(bytes: Buffer | string): Promise<string> {
  const socket = connect(port, '127.0.0.1');
  let received = '';
  socket.on('error', () => {});
  socket.on('data', (chunk: Buffer) => {
    received += chunk.toString('latin1');
  });
  socket.write(bytes);
  await once(socket, 'close');
  return received;
}

const SEND = '/json/sms_send.php?username=test&password=1234&mobile=0911222333&message=a';

test('broken requests are refused by HTTP and close their connection', async () => {
  const cases: readonly (readonly [string, string, number])[] = [
    ['no request', '\r\n\r\n\0\0\0\0', 400],
    ['no method', ` ${SEND} HTTP/1.1\r\nHost: a\r\n\r\n`, 400],
    ['a method and nothing else', 'GET\r\n\r\n', 400],
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
    const answer = await raw(Buffer.from(bytes, 'latin1'));
    assert.match(answer, new RegExp(`^HTTP/1.1 ${status} `), `${what}: ${answer.slice(0, 100)}`);
  }
});

test('headers and bodies that never end are given up in the time that a request has', async () => {
  const startedMs = performance.now();
  const dripping = (beginning: string): Promise<string> => {
    const socket = connect(port, '127.0.0.1');
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
  for (const endpoint of ENDPOINTS) assert.match((await good(endpoint)).body, endpoint.answer);
  const client = new pg.Client(database.url);
  await client.connect();
  const { rows } = await client.query<{ bodies: number; dirty: number }>(
    `SELECT count(*)::int AS bodies, count(*) FILTER (WHERE body ~ '[\\x01-\\x09\\x0b-\\x1f\\x7f]')::int AS dirty FROM messages`,
  );
  await client.end();
  assert.ok((rows[0]?.bodies ?? 0) > 100);
  assert.equal(rows[0]?.dirty, 0);
  assert.doesNotMatch(platform.output(), /"level":[56]0/);
  assert.equal(platform.child.exitCode, null);
});
