/**
 * A process of connections on which nothing is asked, from as many addresses as there are. Arguments: the port and how
 * many. As `at once` it opens all of them, keeps silent until each is open, then asks on all and says so; as `a second` it says so
 * when it has begun, and opens as many each second until its parent goes.
 */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { setTimeout as pause } from 'node:timers/promises';

const [port = 0, count = 0] = process.argv.slice(2, 4).map(Number);
const isAtOnce = process.argv[4] === 'at once';
/** Longer than the platform needs for the opening itself. */
const SILENCE_MS = 1_500;
const STEP_MS = 20;

let opened = 0;

function open(): Socket {
  const index = opened++;
  const localAddress = `127.${10 + (index % 100)}.${(index >> 8) % 256}.${1 + (index % 250)}`;
  return connect({ host: '127.0.0.1', port, localAddress })
    .on('error', () => {})
    .resume();
}

process.on('disconnect', () => process.exit());
assert.ok(port > 0 && count > 0);
if (isAtOnce) {
  const sockets = Array.from({ length: count }, open);
  await Promise.all(sockets.map((socket) => once(socket, 'connect')));
  await pause(SILENCE_MS);
  process.send?.('begun');
  for (const [index, socket] of sockets.entries()) {
    socket.write(
      `GET /json/sms_query.php?username=test&password=guess${index}&checkpoint=Y HTTP/1.1\r\nHost: a\r\n\r\n`,
    );
  }
} else {
  process.send?.('begun');
  setInterval(() => {
    for (let due = (count * STEP_MS) / 1_000; due > 0; due--) open();
  }, STEP_MS);
}
