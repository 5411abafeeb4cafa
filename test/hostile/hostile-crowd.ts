/**
 * A process full of hostile clients for one HTTP port of 127.0.0.1 (its argument): idle connections, slow ones, oversized
 * and broken bodies, guessed passwords. Says `ready` once all of them are at it, and ends with its parent.
 */
import { connect, type Socket } from 'node:net';
import { setPriority } from 'node:os';

export interface CrowdReport {
  readonly kind: 'ready';
  readonly idle: number;
}

const IDLE_CONNECTIONS = 2_000;
const SLOW_CONNECTIONS = 100;
/** Connections opened at once; the rest waits for the next tick. */
const OPENED_A_TICK = 50;
const OPEN_TICK_MS = 10;
const DRIP_MS = 1_000;
const MIB = 1_048_576;
/** A hostile request that was not answered by then is dropped. */
const GIVE_UP_MS = 5_000;

const port = Number(process.argv[2]);
/** The crowd's own work is to take no processor time from those it attacks. */
const PRIORITY = 10;

const form = 'Content-Type: application/x-www-form-urlencoded';
const path = '/json/sms_send.php';

function open(): Socket {
  const socket = connect(port, '127.0.0.1');
  socket.on('error', () => {});
  socket.resume();
  return socket;
}

/** Opens so many and keeps them: one that is closed is opened again. */
async function keepOpen(count: number, greet: (socket: Socket) => void): Promise<void> {
  const again = (): void => {
    const socket = open();
    socket.once('connect', () => greet(socket));
    socket.once('close', () => setTimeout(again, DRIP_MS));
  };
  for (let opened = 0; opened < count; opened += OPENED_A_TICK) {
    await new Promise((resolve) => setTimeout(resolve, OPEN_TICK_MS));
    for (let n = 0; n < Math.min(OPENED_A_TICK, count - opened); n += 1) again();
  }
}

function drip(beginning: string): (socket: Socket) => void {
  return (socket) => {
    socket.write(beginning);
    const timer = setInterval(() => socket.write('a'), DRIP_MS);
    socket.once('close', () => clearInterval(timer));
  };
}

/** So many connections a second, each with these bytes, whatever becomes of them. */
function repeat(perSecond: number, request: () => Buffer | string): void {
  setInterval(() => {
    const socket = open();
    socket.setTimeout(GIVE_UP_MS, () => socket.destroy());
    socket.write(request());
    socket.once('data', () => socket.end());
  }, 1_000 / perSecond);
}

function post(type: string, body: Buffer | string): Buffer {
  const bytes = Buffer.from(body as string);
  return Buffer.concat([
    Buffer.from(`POST ${path} HTTP/1.1\r\nHost: a\r\n${type}\r\nContent-Length: ${bytes.length}\r\n\r\n`),
    bytes,
  ]);
}

async function attack(): Promise<void> {
  await keepOpen(IDLE_CONNECTIONS, () => {});
  await keepOpen(SLOW_CONNECTIONS, drip(`GET ${path}?a=1 HTTP/1.1\r\nHost: a\r\nA: `));
  await keepOpen(SLOW_CONNECTIONS, drip(`POST ${path} HTTP/1.1\r\nHost: a\r\n${form}\r\nContent-Length: 9999\r\n\r\n`));
  const multipart = 'Content-Type: multipart/form-data; boundary=b';
  const large = post(form, Buffer.alloc(10 * MIB, 'a'));
  const noise = post(form, Buffer.concat([Buffer.from('username='), Buffer.alloc(MIB - 9, 0xff)]));
  const delimiters = post(multipart, '\r\n--b'.repeat(MIB / 5));
  const parameters = post(form, Array.from({ length: 10_000 }, (_, index) => `p${index}=1`).join('&'));
  const sql = encodeURIComponent("'; DROP TABLE messages; --");
  let guesses = 0;
  repeat(5, () => large);
  repeat(5, () => noise);
  repeat(5, () => delimiters);
  repeat(10, () => parameters);
  repeat(20, () => `GET ${path}?username=test&password=guess${guesses++} HTTP/1.1\r\nHost: a\r\n\r\n`);
  repeat(20, () => `GET ${path}?username=${sql}&mobile=\xff\xfe&message=%ED%A0%80 HTTP/1.1\r\nHost: a\r\n\r\n`);
  repeat(20, () => '\x16\x03\x01\x02\0\x01\0\x01\xfc\x03\x03');
  const report: CrowdReport = { kind: 'ready', idle: IDLE_CONNECTIONS };
  process.send?.(report);
}

process.on('disconnect', () => process.exit());
setPriority(PRIORITY);
await attack();
