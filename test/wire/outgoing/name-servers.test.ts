import assert from 'node:assert/strict';
import { createSocket, type Socket } from 'node:dgram';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { NameServers } from '../../../src/outgoing/name-servers.ts';

const A = 1;
const AAAA = 28;
const HEADER_BYTES = 12;
const NO_ERROR = 0x8180;
const NO_SUCH_NAME = 0x8183;

let server: Socket;
let directory = '';
let names: NameServers;
const asked: string[] = [];

/** RFC 1035 §4.1: the question back, and one answer whose name is a pointer to it. */
function answerTo(query: Buffer): Buffer | undefined {
  const labels: string[] = [];
  let at = HEADER_BYTES;
  for (let length = query[at] ?? 0; length > 0; length = query[at] ?? 0) {
    labels.push(query.toString('latin1', at + 1, at + 1 + length));
    at += 1 + length;
  }
  const name = labels.join('.');
  const type = query.readUInt16BE(at + 1);
  asked.push(name);
  if (name.endsWith('silent.example')) return undefined;
  const data = name !== 'good.example' ? undefined : type === A ? Buffer.of(198, 51, 100, 7) : Buffer.alloc(16, 0x20);
  const question = query.subarray(HEADER_BYTES, at + 5);
  const head = Buffer.alloc(HEADER_BYTES);
  query.copy(head, 0, 0, 2);
  head.writeUInt16BE(data === undefined ? NO_SUCH_NAME : NO_ERROR, 2);
  head.writeUInt16BE(1, 4);
  head.writeUInt16BE(data === undefined ? 0 : 1, 6);
  if (data === undefined) return Buffer.concat([head, question]);
  const record = Buffer.from([0xc0, HEADER_BYTES, 0, type === A ? A : AAAA, 0, 1, 0, 0, 0, 0, 0, data.length]);
  return Buffer.concat([head, question, record, data]);
}

before(async () => {
  server = createSocket('udp4');
  server.on('message', (query, from) => {
    const answer = answerTo(query);
    if (answer !== undefined) server.send(answer, from.port, from.address);
  });
  server.bind(0, '127.0.0.1');
  await once(server, 'listening');
  directory = await mkdtemp(join(tmpdir(), 'feige-names-'));
  const hostsFile = join(directory, 'hosts');
  await writeFile(
    hostsFile,
    '# own\n192.0.2.8\tErp.example erp # one\n2001:db8::8 erp.example\nnonsense erp.example\n',
  );
  names = new NameServers({ servers: [`127.0.0.1:${server.address().port}`], hostsFile });
});
after(async () => {
  server.close();
  await rm(directory, { recursive: true });
});

test('a name has the addresses of both kinds, IPv4 first, with and without a dot at its end', async () => {
  const both = [
    { address: '198.51.100.7', family: 4 },
    { address: '2020:2020:2020:2020:2020:2020:2020:2020', family: 6 },
  ];
  assert.deepEqual(await names.lookup('good.example'), both);
  assert.deepEqual(await names.lookup('Good.Example.'), both);
});

/** More at once than the receive buffer of the test's own server holds would be lost, and asked again after 2 s. */
const SILENT = 100;

test('a hundred names whose servers are silent keep no other waiting', async () => {
  const silent = Array.from({ length: SILENT }, (_, n) => names.lookup(`${n}.silent.example`).catch(() => 'failed'));
  const first = await Promise.race([names.lookup('good.example').then(() => 'answered'), ...silent]);
  assert.equal(first, 'answered');
  assert.equal(await silent[0], 'failed');
});

test('a name that does not exist fails', async () => {
  await assert.rejects(names.lookup('none.example'), { code: 'ENOTFOUND' });
});

test('the hosts file comes before the servers', async () => {
  const before = asked.length;
  assert.deepEqual(await names.lookup('erp.example.'), [
    { address: '192.0.2.8', family: 4 },
    { address: '2001:db8::8', family: 6 },
  ]);
  assert.deepEqual(await names.lookup('ERP'), [{ address: '192.0.2.8', family: 4 }]);
  assert.equal(asked.length, before);
});

test('a name without a dot is asked of the system', async () => {
  const found = await new NameServers({ hostsFile: join(directory, 'none') }).lookup('localhost');
  assert.ok(found.some(({ address }) => address === '127.0.0.1' || address === '::1'));
});
