/**
 * URLs that are in order but for what is hidden in them, in each parameter that holds one: what reaches the server that
 * they name is one request line of visible ASCII, with the headers of the platform and no others.
 */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, type AddressInfo, type Server } from 'node:net';
import { after, before, test } from 'node:test';
import { eventually } from '../harness/sms-node.ts';
import { ENDPOINTS, type Endpoint } from './hostile-endpoints.ts';
import { codeOf, type HostileTarget, startHostileTarget } from './hostile-target.ts';
import { HOSTILE_VALUES } from './hostile-values.ts';

const ENDS: readonly string[] = ['/a', '/b?c=', '/d#'];
/** Of more than 90 calls, which take turns. */
const ENDS_OF_CALLS = 40;
const HEAD = /^GET (\/[\x21-\x7e]*) HTTP\/1\.1\r\n((?:[\w-]+: [\x20-\x7e]*\r\n)*)\r\n$/;
const HEADERS = /^(?:host|connection|user-agent|accept|range|accept-encoding): /i;

let target: HostileTarget;
let customer: Server;
let origin = '';
const heads: string[] = [];

before(async () => {
  customer = createServer((socket) => {
    socket.on('error', () => {});
    socket.on('data', (bytes: Buffer) => {
      heads.push(bytes.toString('latin1'));
      socket.end('HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n');
    });
  });
  customer.listen(0, '127.0.0.1');
  await once(customer, 'listening');
  origin = `http://127.0.0.1:${(customer.address() as AddressInfo).port}`;
  target = await startHostileTarget({ CALLBACK_ALLOW: '127.0.0.0/8' });
});
after(async () => {
  await target.stop();
  customer.close();
});

function endpointOf(path: string, how: RegExp): Endpoint {
  return ENDPOINTS.find((one) => one.path === path && how.test(one.how)) ?? assert.fail(path);
}

/** Every hostile value in each place of a URL; the codes that came. */
async function attack(
  endpoint: Endpoint,
  name: string,
  more: Readonly<Record<string, string>> = {},
): Promise<string[]> {
  const codes: string[] = [];
  const extra = Object.entries(more).map(([known, value]) => [known, Buffer.from(value)] as const);
  const others = [...target.pairsOf(endpoint).filter(([known]) => known !== name), ...extra];
  for (const [what, value] of Object.entries(HOSTILE_VALUES)) {
    for (const end of ENDS) {
      const url = Buffer.concat([Buffer.from(`${origin}${end}`), value]);
      const response = await target.request(endpoint, [...others, [name, url]], 'urlencoded');
      assert.equal(response.status, 200, `${name}: ${what}`);
      codes.push(codeOf(response));
    }
  }
  return codes;
}

function assertHeads(least: number): void {
  assert.ok(heads.length >= least, `${heads.length} requests came`);
  for (const head of heads) {
    const [, , headers = ''] = HEAD.exec(head) ?? assert.fail(JSON.stringify(head.slice(0, 500)));
    for (const line of headers.split('\r\n').slice(0, -1)) assert.match(line, HEADERS);
  }
}

test('a drurl is asked at the check and called with nothing hidden in it', async () => {
  heads.length = 0;
  const endpoint = endpointOf('/json/sms_send.php', /./);
  const codes = await attack(endpoint, 'drurl', { drurl_check: 'Y' });
  assert.deepEqual(new Set(codes), new Set(['00000', '00140']));
  const taken = codes.filter((code) => code === '00000').length;
  assert.ok(taken > codes.length / 2);
  await eventually('the callbacks', async () =>
    heads.filter((head) => head.includes('smsresp=')).length >= taken ? true : undefined,
  );
  assertHeads(taken);
});

test('a voice_url is fetched with nothing hidden in it', async () => {
  heads.length = 0;
  const codes = await attack(endpointOf('/send_voice.php', /recording/), 'voice_url');
  // What it is answered is no recording.
  assert.deepEqual(new Set(codes), new Set(['-10', '-12']));
  assertHeads(codes.length / 2);
});

test('a response is called with nothing hidden in it', async () => {
  heads.length = 0;
  // A telephone that declines, so that its end comes at once.
  const endpoint = endpointOf('/send_voice.php', /text/);
  const declining = { ...endpoint, good: { ...endpoint.good, phone: '0900000103' } };
  const codes = await attack(declining, 'response');
  assert.deepEqual(new Set(codes), new Set(['0']));
  await eventually('ends of calls', async () =>
    heads.filter((head) => head.includes('playtime=')).length >= ENDS_OF_CALLS ? true : undefined,
  );
  assertHeads(ENDS_OF_CALLS);
});
