/** Bodies that are too much, too many or broken in themselves, and every parameter twice, at every endpoint. */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { ask, type Response } from '../wire/http/platform.ts';
import { ENDPOINTS, type Endpoint, expectedCode } from './hostile-endpoints.ts';
import {
  BOUNDARY,
  codeOf,
  FORMS,
  head,
  type HostileTarget,
  type Pairs,
  startHostileTarget,
  URLENCODED,
  urlencoded,
} from './hostile-target.ts';
import { HOSTILE_VALUES } from './hostile-values.ts';

const TEN_MB = 10_485_760;
const MAX_TRIES = 20;
const CHUNK = Buffer.alloc(65_536, 'a');
const CHUNK_HEAD = `${CHUNK.length.toString(16)}\r\n`;
const TYPES = [URLENCODED, `multipart/form-data; boundary=${BOUNDARY}`, 'application/json', 'text/plain'];
/** Whether the endpoint's parameters, which come with it, are found. */
type Reading = 'read' | 'not read';

let target: HostileTarget;

before(async () => {
  target = await startHostileTarget();
});
after(() => target.stop());

/** Without its parameters a request has no username, or none that is left of it. */
function assertReading(endpoint: Endpoint, response: Response, reading: Reading, what: string): void {
  const seen = `${endpoint.path}, ${what}: ${response.status} ${response.body}`;
  assert.equal(response.status, 200, seen);
  if (reading === 'read') assert.match(response.body, endpoint.answer, seen);
  else assert.equal(codeOf(response), expectedCode(endpoint, 'username', 'nothing but control characters'), seen);
}

const field = (name: string, value: Buffer | string): Buffer =>
  Buffer.concat([Buffer.from(`Content-Disposition: form-data; name="${name}"\r\n\r\n`), Buffer.from(value)]);

function partsOf(endpoint: Endpoint, boundary: string): Buffer {
  const parts = target
    .pairsOf(endpoint)
    .flatMap(([name, value]) => ['--', boundary, '\r\n', field(name, value), '\r\n']);
  return joined(...parts);
}

function joined(...pieces: (Buffer | string)[]): Buffer {
  return Buffer.concat(pieces.map((piece) => Buffer.from(piece)));
}

const LONG = 'b'.repeat(10_000);
const MORE = joined('--b\r\n', field('x', 'y'), '\r\n');

/** `parts` are the endpoint's parameters between boundaries of this name. */
const MULTIPARTS: readonly {
  readonly what: string;
  /** As the Content-Type tells it. */
  readonly boundary: string;
  readonly body: (parts: (boundary: string) => Buffer) => Buffer;
  readonly reading: Reading;
}[] = [
  { what: 'in order', boundary: '; boundary=b', body: (parts) => joined(parts('b'), '--b--\r\n'), reading: 'read' },
  { what: 'without a boundary', boundary: '', body: (parts) => joined(parts('b'), '--b--\r\n'), reading: 'not read' },
  {
    what: 'with an empty boundary',
    boundary: '; boundary=',
    body: (parts) => joined(parts(''), '----\r\n'),
    reading: 'not read',
  },
  {
    what: 'with a boundary of 10 kB',
    boundary: `; boundary=${LONG}`,
    body: (parts) => joined(parts(LONG), `--${LONG}--`),
    reading: 'not read',
  },
  {
    what: 'with another boundary than it says',
    boundary: '; boundary=c',
    body: (parts) => joined(parts('b'), '--b--\r\n'),
    reading: 'not read',
  },
  {
    what: 'that never ends',
    boundary: '; boundary=b',
    body: (parts) => joined(parts('b'), '--b\r\n', field('x', 'y')),
    reading: 'read',
  },
  {
    what: 'that ends in its first part',
    boundary: '; boundary=b',
    body: () => joined('--b\r\nContent-Disp'),
    reading: 'not read',
  },
  { what: 'with nothing', boundary: '; boundary=b', body: () => joined('--b--\r\n'), reading: 'not read' },
  {
    what: 'with another multipart inside',
    boundary: '; boundary=b',
    body: (parts) =>
      joined('--b\r\nContent-Type: multipart/form-data; boundary=c\r\n\r\n', parts('c'), '--c--\r\n--b--\r\n'),
    reading: 'not read',
  },
  {
    what: 'with a header of 100 kB',
    boundary: '; boundary=b',
    body: (parts) =>
      joined('--b\r\nX: ', 'y'.repeat(100_000), '\r\n', field('x', 'y'), '\r\n', parts('b'), '--b--\r\n'),
    reading: 'read',
  },
  {
    what: 'with 10,000 headers',
    boundary: '; boundary=b',
    body: (parts) => joined('--b\r\n', 'A: b\r\n'.repeat(10_000), '\r\n1\r\n', parts('b'), '--b--\r\n'),
    reading: 'read',
  },
  {
    what: 'with 10,000 parts after them',
    boundary: '; boundary=b',
    body: (parts) => joined(parts('b'), ...Array.from({ length: 10_000 }, () => MORE), '--b--'),
    reading: 'read',
  },
  {
    what: 'with 10,000 parts before them',
    boundary: '; boundary=b',
    body: (parts) => joined(...Array.from({ length: 10_000 }, () => MORE), parts('b'), '--b--'),
    reading: 'not read',
  },
  {
    what: 'of nothing but boundaries',
    boundary: '; boundary=b',
    body: () => joined('\r\n--b'.repeat(200_000)),
    reading: 'not read',
  },
  {
    what: 'with a name of 100 kB',
    boundary: '; boundary=b',
    body: (parts) => joined('--b\r\n', field(`n${'y'.repeat(100_000)}`, 'y'), '\r\n', parts('b'), '--b--\r\n'),
    reading: 'read',
  },
];

/**
 * The platform closes with most of it unread, and the reset that follows may reach a client before it has read the
 * answer: then it has none. It is never another one.
 */
async function assertTooLarge(request: Buffer): Promise<void> {
  for (let tries = 0; tries < MAX_TRIES; tries += 1) {
    const answer = await target.raw(request);
    assert.match(answer, /^(?:HTTP\/1\.1 413 |$)/);
    if (answer !== '') return;
  }
  assert.fail(`no answer was read in ${MAX_TRIES} tries`);
}

for (const endpoint of ENDPOINTS) {
  const { path } = endpoint;
  describe(`${path} ${endpoint.how}`, () => {
    test('refuses bodies of 10 MB with 413, of every type, announced or in chunks', async () => {
      const body = Buffer.alloc(TEN_MB, 'a');
      const chunks = Array.from({ length: TEN_MB / CHUNK.length }, () => joined(CHUNK_HEAD, CHUNK, '\r\n'));
      for (const type of TYPES) {
        const announced = head('POST', path, { 'Content-Type': type, 'Content-Length': body.length });
        assert.match(await target.raw(announced), /^HTTP\/1\.1 413 /);
        await assertTooLarge(joined(announced, body));
        const chunked = head('POST', path, { 'Content-Type': type, 'Transfer-Encoding': 'chunked' });
        await assertTooLarge(joined(chunked, ...chunks, '0\r\n\r\n'));
      }
    });

    test('counts 10,000 parameters up to the thousandth', async () => {
      const many = Array.from({ length: 10_000 }, (_, index) => `p${index}=1`).join('&');
      const own = urlencoded(target.pairsOf(endpoint));
      assertReading(endpoint, await target.post(path, URLENCODED, `${own}&${many}`), 'read', 'many after its own');
      assertReading(endpoint, await target.post(path, URLENCODED, `${many}&${own}`), 'not read', 'many before its own');
      assert.equal((await ask(target.port, `${path}?${many}`)).status, 431);
    });

    test('counts the last of a parameter that comes twice, be it worse or better', async () => {
      const own = target.pairsOf(endpoint);
      const kind = 'SQL that is always true';
      const hostile = HOSTILE_VALUES[kind];
      for (const name of Object.keys(endpoint.codes)) {
        // Of one that a good request lacks, an empty value is the better one.
        const better = own.find(([known]) => known === name)?.[1] ?? Buffer.alloc(0);
        const others: Pairs = own.filter(([known]) => known !== name);
        for (const form of FORMS) {
          const worseLast = await target.request(endpoint, [...others, [name, better], [name, hostile]], form);
          assert.equal(codeOf(worseLast), expectedCode(endpoint, name, kind), `${name} by ${form}: ${worseLast.body}`);
          const betterLast = await target.request(endpoint, [...others, [name, hostile], [name, better]], form);
          assertReading(endpoint, betterLast, 'read', `${name} by ${form}`);
        }
        const overruled = await target.post(
          `${path}?${urlencoded([[name, hostile]])}`,
          URLENCODED,
          urlencoded([...others, [name, better]]),
        );
        assertReading(endpoint, overruled, 'read', `${name} in the query and in the body`);
      }
      const foreign: Pairs = [...own, ['username[]', hostile], ['username[x]', hostile]];
      assertReading(endpoint, await target.request(endpoint, foreign, 'query'), 'read', 'names like its own');
    });

    test('finds no parameters in JSON', async () => {
      for (const body of ['{"username":"test","password":"1234"}', '{', '[[[[', '{"__proto__":{"username":"test"}}']) {
        assertReading(endpoint, await target.post(path, 'application/json', body), 'not read', body);
      }
    });

    for (const { what, boundary, body, reading } of MULTIPARTS) {
      test(`of multipart ${what} the parameters are ${reading}`, async () => {
        const bytes = body((name) => partsOf(endpoint, name));
        const response = await target.post(path, `multipart/form-data${boundary}`, bytes);
        assertReading(endpoint, response, reading, what);
      });
    }
  });
}

test('after all of it nothing was a fault and the platform is there', async () => {
  for (const endpoint of ENDPOINTS) assert.match((await target.good(endpoint)).body, endpoint.answer);
  assert.doesNotMatch(target.platform.output(), /"level":[56]0/);
  assert.equal(target.platform.child.exitCode, null);
});
