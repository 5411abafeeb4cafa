/**
 * Every UDP datagram that this thread's sockets send, and those that come to them from elsewhere (another thread's
 * sockets, another program's), as a file for packet decoders. Nothing on the way is changed.
 */
import assert from 'node:assert/strict';
import type { RemoteInfo, Socket } from 'node:dgram';
import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import type { TestContext } from 'node:test';
import { type Packet, packetFile } from './packet-file.ts';

export interface RecordedDatagrams {
  count(): number;
  packetFile(): Buffer;
}

/** Of dgram, for every socket that is made in this thread. */
const NEW_SOCKET = 'udp.socket';

/** From now on, until the test has ended. */
export function recordDatagrams(context: TestContext): RecordedDatagrams {
  const packets: Packet[] = [];
  const ownPorts = new Set<number>();
  const watch = (message: unknown): void => {
    const { socket } = message as { socket: Socket };
    const here = (): { address: string; port: number } => socket.address();
    socket.once('listening', () => ownPorts.add(here().port));
    socket.on('message', (payload: Buffer, from: RemoteInfo) => {
      // What another socket of this thread sent has been written down when it was sent.
      if (!ownPorts.has(from.port)) packets.push({ atMs: performance.now(), from, to: here(), payload });
    });
    const send = socket.send.bind(socket) as (...words: unknown[]) => void;
    socket.send = (...words: unknown[]): void => {
      const [payload, port, address] = words;
      assert.ok(Buffer.isBuffer(payload) && typeof port === 'number' && typeof address === 'string');
      packets.push({ atMs: performance.now(), from: here(), to: { address, port }, payload: Buffer.from(payload) });
      send(...words);
    };
  };
  subscribe(NEW_SOCKET, watch);
  context.after(() => unsubscribe(NEW_SOCKET, watch));
  return { count: () => packets.length, packetFile: () => packetFile(packets) };
}
