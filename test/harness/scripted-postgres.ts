/**
 * What a look at a PostgreSQL server needs of one, over its wire protocol 3.0: takes everybody, and answers whether it
 * takes writes and on which timeline, as the test says at that moment. Mute, it takes connections and never says a word.
 */
import { once } from 'node:events';
import { type AddressInfo, createServer, type Socket } from 'node:net';

const HOST = '127.0.0.1';
const BOOLEAN = 16;
const BIGINT = 20;
const LENGTH_BYTES = 4;

export type ScriptedState =
  | { readonly kind: 'primary'; readonly timeline: number }
  | { readonly kind: 'standby' }
  | { readonly kind: 'mute' };

export interface ScriptedPostgres {
  /** As it stands in a database's address. */
  readonly host: string;
  state: ScriptedState;
  /** Resolves when it has answered the next question. */
  answered(): Promise<unknown>;
  stop(): void;
}

export async function startScriptedPostgres(state: ScriptedState): Promise<ScriptedPostgres> {
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on('error', () => {});
    socket.on('close', () => sockets.delete(socket));
    serve(socket);
  });
  const serve = (socket: Socket): void => {
    let isStarted = false;
    socket.on('data', (bytes: Buffer) => {
      if (scripted.state.kind === 'mute') return;
      // A client sends one message and waits for its answer; only its farewell may come with another.
      if (!isStarted) socket.write(Buffer.concat([message('R', int32(0)), READY]));
      else if (bytes.toString('latin1', 0, 1) !== 'Q') socket.end();
      else {
        socket.write(answer(scripted.state));
        server.emit('answered');
      }
      isStarted = true;
    });
  };
  server.listen(0, HOST);
  await once(server, 'listening');
  const scripted: ScriptedPostgres = {
    host: `${HOST}:${(server.address() as AddressInfo).port}`,
    state,
    answered: () => once(server, 'answered'),
    stop: () => {
      server.close();
      for (const socket of sockets) socket.destroy();
    },
  };
  return scripted;
}

function int16(value: number): Buffer {
  const bytes = Buffer.alloc(2);
  bytes.writeInt16BE(value);
  return bytes;
}

function int32(value: number): Buffer {
  const bytes = Buffer.alloc(LENGTH_BYTES);
  bytes.writeInt32BE(value);
  return bytes;
}

function message(type: string, ...parts: readonly Buffer[]): Buffer {
  const body = Buffer.concat(parts);
  return Buffer.concat([Buffer.from(type), int32(body.length + LENGTH_BYTES), body]);
}

const READY = message('Z', Buffer.from('I'));

function answer(state: ScriptedState): Buffer {
  const isPrimary = state.kind === 'primary';
  return Buffer.concat([
    message('T', int16(2), column('writable', BOOLEAN), column('timeline', BIGINT)),
    message('D', int16(2), value(isPrimary ? 't' : 'f'), value(String(isPrimary ? state.timeline : 0))),
    message('C', Buffer.from('SELECT 1\0')),
    READY,
  ]);
}

/** RowDescription's: name, table, number, type, size, modifier, text format. */
function column(name: string, type: number): Buffer {
  return Buffer.concat([Buffer.from(`${name}\0`), int32(0), int16(0), int32(type), int16(-1), int32(-1), int16(0)]);
}

function value(text: string): Buffer {
  return Buffer.concat([int32(text.length), Buffer.from(text)]);
}
