/**
 * A TCP line that remembers what went over it: connections to its port go on to the target, byte for byte, and all of
 * them together become a file for packet decoders. It understands nothing of what it carries.
 */
import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import type { TestContext } from 'node:test';
import { type Endpoint, type Packet, packetFile, TCP_FLAG } from './packet-file.ts';

export type Side = 'client' | 'server';

export interface RecordedLine {
  readonly port: number;
  /** What a side has written, connection by connection. */
  written(side: Side): Buffer[];
  /** All connections, or one side of them; the servers' port in it is `wellKnownPort`, by which decoders know the protocol. */
  packetFile(wellKnownPort: number, only?: Side): Buffer;
  /** Resolves when all connections that were there are gone. */
  silent(): Promise<void>;
}

interface Piece {
  atMs: number;
  side: Side;
  bytes: Buffer;
}

interface Recording {
  clientPort: number;
  pieces: Piece[];
  endedAtMs: number | undefined;
}

/** What an Ethernet leaves a segment: long writes become several, as on a real line. */
const MAX_SEGMENT_BYTES = 1_460;
/** Numbered on from here: the real ports are any, and decoders take some of them for another protocol's. */
const FIRST_CLIENT_PORT = 50_001;
const CLIENT_ADDRESS = '192.0.2.1';
const SERVER_ADDRESS = '192.0.2.2';

export async function startRecordedLine(context: TestContext, targetPort: number): Promise<RecordedLine> {
  const recordings: Recording[] = [];
  const sockets = new Set<Socket>();
  const server = createServer({ allowHalfOpen: true, noDelay: true }, (client) => {
    const target = connect({ host: '127.0.0.1', port: targetPort, allowHalfOpen: true, noDelay: true });
    const recording: Recording = {
      clientPort: FIRST_CLIENT_PORT + recordings.length,
      pieces: [],
      endedAtMs: undefined,
    };
    recordings.push(recording);
    const join = (from: Socket, to: Socket, side: Side): void => {
      sockets.add(from);
      from.on('data', (bytes: Buffer) => {
        recording.pieces.push({ atMs: performance.now(), side, bytes });
        to.write(bytes);
      });
      from.on('end', () => to.end());
      from.on('error', () => to.destroy());
      from.on('close', () => {
        recording.endedAtMs ??= performance.now();
        sockets.delete(from);
        server.emit('silent');
      });
    };
    join(client, target, 'client');
    join(target, client, 'server');
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  context.after(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  return {
    port: (server.address() as AddressInfo).port,
    written: (side) =>
      recordings.map(({ pieces }) =>
        Buffer.concat(pieces.filter((piece) => piece.side === side).map(({ bytes }) => bytes)),
      ),
    packetFile: (wellKnownPort, only) => {
      const shown = recordings.map((recording) => ({
        ...recording,
        pieces: recording.pieces.filter(({ side }) => only === undefined || side === only),
      }));
      const packets = shown.flatMap((recording) => packetsOf(recording, wellKnownPort));
      return packetFile(packets.toSorted((left, right) => left.atMs - right.atMs));
    },
    silent: async () => {
      while (sockets.size > 0) await once(server, 'silent');
    },
  };
}

/** The connection with its opening and its end (RFC 9293 §3.5, §3.6). */
function packetsOf({ clientPort, pieces, endedAtMs }: Recording, serverPort: number): Packet[] {
  const endpoints: Record<Side, Endpoint> = {
    client: { address: CLIENT_ADDRESS, port: clientPort },
    server: { address: SERVER_ADDRESS, port: serverPort },
  };
  const sent: Record<Side, number> = { client: 0, server: 0 };
  const packets: Packet[] = [];
  const add = (side: Side, atMs: number, flags: number, payload: Buffer = Buffer.alloc(0)): void => {
    const other = side === 'client' ? 'server' : 'client';
    const isFirst = flags === TCP_FLAG.SYN;
    packets.push({
      atMs,
      from: endpoints[side],
      to: endpoints[other],
      payload,
      tcp: { sequence: sent[side], acknowledgment: isFirst ? 0 : sent[other], flags },
    });
    sent[side] += payload.length + (flags & (TCP_FLAG.SYN | TCP_FLAG.FIN) ? 1 : 0);
  };
  const beganAtMs = pieces[0]?.atMs ?? endedAtMs ?? 0;
  add('client', beganAtMs, TCP_FLAG.SYN);
  add('server', beganAtMs, TCP_FLAG.SYN | TCP_FLAG.ACK);
  add('client', beganAtMs, TCP_FLAG.ACK);
  for (const { side, atMs, bytes } of pieces) {
    for (let at = 0; at < bytes.length; at += MAX_SEGMENT_BYTES) {
      add(side, atMs, TCP_FLAG.PSH | TCP_FLAG.ACK, bytes.subarray(at, at + MAX_SEGMENT_BYTES));
    }
  }
  if (endedAtMs !== undefined) {
    add('client', endedAtMs, TCP_FLAG.FIN | TCP_FLAG.ACK);
    add('server', endedAtMs, TCP_FLAG.FIN | TCP_FLAG.ACK);
    add('client', endedAtMs, TCP_FLAG.ACK);
  }
  return packets;
}
