import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import {
  MAX_PARAMETERS,
  MAX_PARTS,
  MAX_VALUE_BYTES,
  type Parameters,
  readParameters,
} from '../../../src/http/parameters.ts';

async function read(query: string, contentType?: string, body?: string | Buffer): Promise<Parameters> {
  return body === undefined ? readParameters(query) : readParameters(query, { contentType, bytes: Buffer.from(body) });
}

const FORM = 'application/x-www-form-urlencoded';
const MULTIPART = 'multipart/form-data; boundary=xyz';

function part(headers: string, value: Buffer | string): Buffer {
  return Buffer.concat([Buffer.from(`--xyz\r\n${headers}\r\n\r\n`), Buffer.from(value), Buffer.from('\r\n')]);
}

function multipart(...parts: Buffer[]): Buffer {
  return Buffer.concat([...parts, Buffer.from('--xyz--\r\n')]);
}

test('a query string is split at & and the first =, and decoded', async () => {
  const parameters = await read('a=1&b=x%3Dy+z&c=1=2&&d&%61%62=3');
  assert.equal(parameters.text('a'), '1');
  assert.equal(parameters.text('b'), 'x=y z');
  assert.equal(parameters.text('c'), '1=2');
  assert.equal(parameters.text('d'), undefined);
  assert.equal(parameters.text('ab'), '3');
});

test('names are case-sensitive, of duplicates the last counts, and empty is absent', async () => {
  const parameters = await read('Mobile=1&mobile=2&mobile=3&drurl=&x=1&x=');
  assert.equal(parameters.text('mobile'), '3');
  assert.equal(parameters.text('Mobile'), '1');
  assert.equal(parameters.text('drurl'), undefined);
  assert.equal(parameters.bytes('drurl'), undefined);
  assert.equal(parameters.text('x'), undefined);
  assert.equal(parameters.text('__proto__'), undefined);
});

test('an urlencoded body wins over the query string and adds to it', async () => {
  const parameters = await read('a=1&b=2', `${FORM}; charset=big5`, 'b=3&c=4\r\n');
  assert.deepEqual(
    ['a', 'b', 'c'].map((name) => parameters.text(name)),
    ['1', '3', '4'],
  );
});

test('a body without a Content-Type is read as urlencoded', async () => {
  assert.equal((await read('a=1', undefined, 'a=2')).text('a'), '2');
});

test('a JSON body counts as empty, with contents too', async () => {
  for (const body of ['{}', '[]', '{"a":"2"}', 'a=2']) {
    assert.equal((await read('a=1', 'application/json', body)).text('a'), '1', body);
  }
});

test('raw UTF-8 and Big5 bytes in an urlencoded body are text', async () => {
  const big5 = Buffer.concat([Buffer.from('message='), Buffer.from([0xa7, 0x41, 0xa6, 0x6e])]);
  assert.equal((await read('', FORM, 'message=你好')).text('message'), '你好');
  assert.equal((await read('', FORM, big5)).text('message'), '你好');
});

test('a raw body keeps its last character whatever byte ends it, and loses only line ends', async () => {
  for (let last = 0x80; last <= 0xbf; last++) {
    const hanzi = Buffer.from([0xe4, 0xbd, last]);
    const body = Buffer.concat([Buffer.from('message='), hanzi, Buffer.from('\r\n')]);
    assert.deepEqual((await read('', FORM, body)).bytes('message'), hanzi, last.toString(16));
  }
  for (const kept of [' ', '\t', '\v', '\f', '\u00a0']) {
    const parameters = await read('', FORM, Buffer.from(`message=a${kept}\n`));
    assert.equal(parameters.bytes('message')?.toString(), `a${kept}`);
  }
});

test('multipart fields are raw bytes, whatever charset their part claims, and files are skipped', async () => {
  const big5 = Buffer.from([0xa7, 0x41, 0xa6, 0x6e]);
  const body = multipart(
    part('Content-Disposition: form-data; name="a"', 'x%20y+z'),
    part('Content-Disposition: form-data; name="b"\r\nContent-Type: text/plain; charset=utf-8', 'é'),
    part('Content-Disposition: form-data; name="c"\r\nContent-Type: text/plain; charset=big5', big5),
    part('Content-Disposition: form-data; name="d"; filename="d.txt"\r\nContent-Type: text/plain', 'file'),
    part('Content-Disposition: form-data; name="e"\r\nContent-Type: application/octet-stream', 'octets'),
    part('Content-Disposition: form-data; name="f"', ''),
  );
  const parameters = await read('a=1&q=2', MULTIPART, body);
  assert.equal(parameters.text('a'), 'x%20y+z');
  assert.equal(parameters.text('b'), 'é');
  assert.deepEqual(parameters.bytes('c'), big5);
  assert.equal(parameters.text('c'), '你好');
  assert.equal(parameters.text('d'), undefined);
  assert.equal(parameters.text('e'), 'octets');
  assert.equal(parameters.text('f'), undefined);
  assert.equal(parameters.text('q'), '2');
});

test('a multipart body that breaks off, or has no boundary, leaves the query string', async () => {
  const whole = multipart(part('Content-Disposition: form-data; name="a"', 'value'), part('X: y', 'z'));
  for (let length = 1; length < whole.length; length++) {
    assert.equal((await read('q=1', MULTIPART, whole.subarray(0, length))).text('q'), '1');
  }
  assert.equal((await read('q=1', 'multipart/form-data;', whole)).text('q'), '1');
});

test('parameters after the bound are not read', async () => {
  const many = Array.from({ length: 10 * MAX_PARAMETERS }, (_, index) => `p${index}=1`).join('&');
  const parameters = await read(many);
  assert.equal(parameters.text(`p${MAX_PARAMETERS - 1}`), '1');
  assert.equal(parameters.text(`p${MAX_PARAMETERS}`), undefined);
});

/** Processor time, which a busy machine does not lengthen much. */
async function processorMs(work: () => Promise<unknown>): Promise<number> {
  const before = process.cpuUsage();
  await work();
  return process.cpuUsage(before).user / 1_000;
}

const MIB = 1_048_576;

test('a value that is too long for any parameter is unreadable, and costs nothing', async () => {
  const noise = Buffer.alloc(MIB, 0xff);
  for (const [type, body] of [
    [FORM, Buffer.concat([Buffer.from('username='), noise])],
    [FORM, Buffer.from(`username=${'%FF'.repeat(MIB / 3)}`)],
    [MULTIPART, multipart(part('Content-Disposition: form-data; name="username"', noise))],
  ] as const) {
    const ms = await processorMs(async () => {
      const parameters = await read('', type, body);
      assert.match(parameters.text('username') ?? '', /^\?+$/);
      assert.match(parameters.credential('username') ?? '', /^\?+$/);
    });
    assert.ok(ms < 100, `${ms} ms`);
  }
  const longest = 'x'.repeat(MAX_VALUE_BYTES);
  for (const value of [longest, longest.replaceAll('x', '%78')]) {
    assert.equal((await read(`a=${value}`)).text('a'), longest);
    assert.match((await read(`a=${value}x`)).text('a') ?? '', /^\?{32769}$/);
  }
});

test('a multipart body of nothing but delimiters, or of thousands of parts, costs little', async () => {
  const parts = Array.from({ length: 10_000 }, (_, index) =>
    part(`Content-Disposition: form-data; name="p${index}"`, String(index)),
  );
  const bodies = [
    '\r\n--xyz'.repeat(MIB / 7),
    '--xyz\r\n'.repeat(MIB / 7),
    `--xyz${'\r\n-'.repeat(MIB / 3)}`,
    multipart(...parts),
  ];
  for (const body of bodies) {
    const ms = await processorMs(() => read('', MULTIPART, body));
    assert.ok(ms < 150, `${ms} ms`);
  }
  const parameters = await read('', MULTIPART, multipart(...parts));
  assert.equal(parameters.text(`p${MAX_PARTS - 1}`), String(MAX_PARTS - 1));
  assert.equal(parameters.text(`p${MAX_PARTS}`), undefined);
});

test('a boundary may be quoted; one of over 70 characters is none (RFC 2046 §5.1.1)', async () => {
  const fields = (boundary: string) =>
    `--${boundary}\r\nContent-Disposition: form-data; name="a"\r\n\r\n1\r\n--${boundary}--\r\n`;
  const boundaries = [
    ['=xyz', 'xyz', '1'],
    ['="x y:z"', 'x y:z', '1'],
    [`=${'x'.repeat(70)}`, 'x'.repeat(70), '1'],
    [`=${'x'.repeat(71)}`, 'x'.repeat(71), undefined],
    [`=${'x'.repeat(10_000)}`, 'x'.repeat(10_000), undefined],
    ['=', '', undefined],
    ['=""', '', undefined],
  ] as const;
  for (const [written, boundary, value] of boundaries) {
    const parameters = await read('', `multipart/form-data; boundary${written}`, fields(boundary));
    assert.equal(parameters.text('a'), value, written.slice(0, 80));
  }
});

test('any bytes, percent-encoded, come back', () => {
  fc.assert(
    fc.property(fc.uint8Array({ minLength: 1, maxLength: 200 }), (bytes) => {
      const encoded = Array.from(bytes, (byte) => `%${byte.toString(16).padStart(2, '0')}`).join('');
      const parameters = readParameters(`x=1&m=${encoded}&y=2`);
      assert.ok(!(parameters instanceof Promise));
      assert.deepEqual(parameters.bytes('m'), Buffer.from(bytes));
    }),
  );
});

test('no query string and no body make reading fail', async () => {
  const types = [FORM, MULTIPART, 'application/json', undefined];
  await fc.assert(
    fc.asyncProperty(
      fc.string({ unit: 'binary', maxLength: 100 }),
      fc.uint8Array({ maxLength: 200 }),
      fc.constantFrom(...types),
      async (query, body, contentType) => {
        const parameters = await read(query, contentType, Buffer.from(body));
        parameters.text('message');
      },
    ),
  );
});
