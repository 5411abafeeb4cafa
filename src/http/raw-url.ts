/**
 * Request lines with raw bytes in them (spec README point 6): clients send UTF-8 or Big5 unescaped, and Node's parser
 * refuses that with HPE_INVALID_URL. The refused line is repaired (each byte over 0x7f becomes %XX) and given to a
 * fresh parser on the same connection, once every earlier request on it has been answered. Bytes that a parser has
 * accepted are never fed again, and bodies and headers are never touched. A line that cannot be repaired is answered
 * with 400.
 */
import type { IncomingMessage, RequestListener, Server, ServerResponse } from 'node:http';
import type { Server as HttpsServer } from 'node:https';
import type { Socket } from 'node:net';
import { UnfinishedLine } from './unfinished-line.ts';

const LINE_FEED = 0x0a;
const SPACE = 0x20;
const FIRST_RAW_BYTE = 0x80;
const LONGEST_METHOD_CHARACTERS = 8;
/** A client has this long to end a line that is being mended. */
const REST_OF_LINE_MS = 20_000;

const METHOD_AT_END = /(?:GET|POST|HEAD|PUT|DELETE|OPTIONS|PATCH|TRACE)$/;

export interface ParserError extends Error {
  code?: string;
  rawPacket?: Buffer;
  /** Where in the packet the parser stopped. */
  bytesParsed?: number;
}

type Listener = (...values: unknown[]) => void;

const CONNECTION = Symbol('connection');

/** What Node's HTTP server keeps at `socket.parser`, as far as it is used here. */
interface Parser {
  /** The slots of its callbacks. */
  readonly constructor: { readonly kOnMessageBegin?: number; readonly kOnExecute?: number };
  [slot: number]: ((parsed: unknown) => void) | null | undefined;
  /** A copy of the packet that is being told about. */
  getCurrentBuffer(): Buffer;
}

interface WatchedSocket extends Socket {
  [CONNECTION]?: Connection;
  parser?: Parser | null;
}

/**
 * Makes `server` accept raw request lines; call it once, before the server listens.
 * @param options.maxLineBytes longer lines are answered 431
 */
export function acceptRawUrls(server: Server | HttpsServer, options: { event: string; maxLineBytes: number }): void {
  const attachers = server.listeners(options.event) as Listener[];
  server.removeAllListeners(options.event);
  server.on(options.event, (socket: WatchedSocket) => {
    const attach = (): void => {
      for (const attacher of attachers) attacher.call(server, socket);
    };
    const connection = new Connection(socket, attach, options.maxLineBytes);
    socket[CONNECTION] = connection;
    connection.feedWhatWaited();
  });
  server.on('clientError', (error: ParserError, socket: WatchedSocket) => {
    const connection = socket[CONNECTION];
    if (connection === undefined) socket.destroy();
    else connection.refused(error);
  });
}

/** Tells each connection of its latest response: a mended request waits for the ones before it. */
export function noteResponses(listener: RequestListener): RequestListener {
  return (request: IncomingMessage, response: ServerResponse): void => {
    (request.socket as WatchedSocket)[CONNECTION]?.begun(response);
    listener(request, response);
  };
}

/**
 * One connection beside Node's HTTP parser. While all is well the parser reads the socket itself and nothing of a
 * packet comes here (a 'data' listener would cost 10 µs a request, a third of a constant answer); only the last line of
 * a request head that a packet left unfinished is kept. After the first refusal the packets come here before they go
 * to the parser, for the rest of the connection.
 */
class Connection {
  #latestResponse: ServerResponse | undefined;
  #responseBefore: ServerResponse | undefined;
  /** A request has begun and not all of its headers are there. */
  #isInHead = false;
  readonly #socket: WatchedSocket;
  readonly #attachParser: () => void;
  readonly #maxLineBytes: number;
  readonly #line: UnfinishedLine;
  /** The listeners that Node's HTTP server has put on the socket. */
  #listeners: [string | symbol, Listener][] = [];
  #readsPackets = false;
  /** The whole line is there, earlier answers are not. */
  #isWaiting = false;
  #isOver = false;
  #parse: Listener = () => {};
  /** From the first byte of the refused request on; undefined while nothing is being mended. */
  #refusedBytes: Buffer | undefined;
  #restOfLineTimer: NodeJS.Timeout | undefined;

  constructor(socket: Socket, attachParser: () => void, maxLineBytes: number) {
    this.#socket = socket;
    this.#attachParser = attachParser;
    this.#maxLineBytes = maxLineBytes;
    this.#line = new UnfinishedLine(maxLineBytes);
    this.#attach();
  }

  /** A request's headers are there. */
  begun(response: ServerResponse): void {
    this.#isInHead = false;
    this.#responseBefore = this.#latestResponse;
    this.#latestResponse = response;
  }

  /** What came before the connection was taken goes to the parser as 'data', and the parser does not tell of it. */
  feedWhatWaited(): void {
    const packet = this.#socket.readableLength > 0 ? (this.#socket.read() as Buffer | null) : null;
    if (packet !== null) this.#keepUnfinished(() => packet);
  }

  /** The parser has refused something. */
  refused(error: ParserError): void {
    const start = this.#refusedBytes === undefined ? this.#startOfMendable(error) : undefined;
    this.#readsPackets = true;
    this.#takeData();
    if (start === undefined) {
      this.#answerOnceIdle(statusOf(error));
      return;
    }
    this.#refusedBytes = start;
    // Not before the parser has returned from its refusal.
    queueMicrotask(() => this.#mendWhenWhole());
  }

  readonly #onData = (packet: Buffer): void => {
    if (this.#refusedBytes !== undefined) {
      this.#refusedBytes = Buffer.concat([this.#refusedBytes, packet]);
      this.#mendWhenWhole();
    } else if (!this.#isOver) {
      this.#parse(packet);
      this.#keepUnfinished(() => packet);
    }
  };

  readonly #onClose = (): void => clearTimeout(this.#restOfLineTimer);

  /** The parser's packets come here, and its own reading of the socket's handle ends. */
  #takeData(): void {
    for (const [event, listener] of this.#listeners) {
      if (event !== 'data') continue;
      this.#parse = listener;
      this.#socket.off('data', listener);
    }
    // Node's HTTP server gives the handle back when somebody asks for 'data'.
    this.#socket.off('data', this.#onData).on('data', this.#onData);
  }

  /** After a packet: when it ended inside a request's head, its last line is kept. */
  #keepUnfinished(packet: () => Buffer): void {
    if (!this.#isInHead) this.#line.clear();
    else if (this.#refusedBytes === undefined) this.#line.add(packet());
  }

  /** The bytes from the request's first on, when raw bytes in its line are the reason; undefined otherwise. */
  #startOfMendable(error: ParserError): Buffer | undefined {
    const packet = error.rawPacket;
    const at = error.bytesParsed ?? -1;
    if (error.code !== 'HPE_INVALID_URL' || packet === undefined || (packet[at] ?? 0) < FIRST_RAW_BYTE)
      return undefined;
    const before = this.#line.bytes();
    const seen = before.length === 0 ? packet : Buffer.concat([before, packet]);
    const start = startOfRequestLine(seen, before.length + at);
    return start === undefined ? undefined : seen.subarray(start);
  }

  #mendWhenWhole(): void {
    const bytes = this.#refusedBytes;
    if (bytes === undefined) return;
    const end = bytes.indexOf(LINE_FEED);
    if (end < 0 && bytes.length <= this.#maxLineBytes) {
      this.#restOfLineTimer ??= setTimeout(() => this.#answerOnceIdle('408 Request Timeout'), REST_OF_LINE_MS).unref();
      // Or the timer keeps all of a connection that is gone for its 20 s.
      this.#socket.off('close', this.#onClose).once('close', this.#onClose);
      return;
    }
    clearTimeout(this.#restOfLineTimer);
    this.#restOfLineTimer = undefined;
    if (end < 0 || end > this.#maxLineBytes) this.#answerOnceIdle('431 Request Header Fields Too Large');
    else if (!this.#isWaiting) {
      this.#isWaiting = true;
      this.#onceIdle(() => this.#parseAfresh(end));
    }
  }

  #parseAfresh(endOfLine: number): void {
    const bytes = this.#refusedBytes;
    if (bytes === undefined || this.#isOver) return;
    this.#isWaiting = false;
    this.#refusedBytes = undefined;
    this.#line.clear();
    this.#isInHead = false;
    this.#detach();
    this.#attach();
    this.#onData(Buffer.concat([percentEncodeRaw(bytes.subarray(0, endOfLine)), bytes.subarray(endOfLine)]));
    if (this.#refusedBytes === undefined) this.#socket.resume();
  }

  /** Lets Node's HTTP server take the socket, and notes what it puts there. */
  #attach(): void {
    const own = new Map(this.#socket.eventNames().map((event) => [event, this.#socket.rawListeners(event)]));
    this.#attachParser();
    this.#listeners = this.#socket.eventNames().flatMap((event) =>
      this.#socket
        .rawListeners(event)
        .filter((listener) => !own.get(event)?.includes(listener))
        .map((listener): [string | symbol, Listener] => [event, listener as Listener]),
    );
    this.#watchParser();
    if (this.#readsPackets) this.#takeData();
  }

  /**
   * Has the parser tell when a message begins, and after each packet that it reads by itself, which it does anyway.
   * The slots are undocumented: should a release of Node lack them, raw lines are mended only when they come in one
   * packet, and the tests say so.
   */
  #watchParser(): void {
    const { parser } = this.#socket;
    const { kOnMessageBegin, kOnExecute } = parser?.constructor ?? {};
    if (parser == null || kOnMessageBegin === undefined || kOnExecute === undefined) return;
    const tellServer = parser[kOnExecute];
    if (typeof tellServer !== 'function') return;
    parser[kOnMessageBegin] = () => {
      this.#isInHead = true;
    };
    parser[kOnExecute] = (parsed) => {
      tellServer(parsed);
      if (this.#socket.parser === parser) this.#keepUnfinished(() => parser.getCurrentBuffer());
    };
  }

  /** Node's HTTP server lets go of a connection, and frees its parser, when that closes: it is told so. */
  #detach(): void {
    for (const [event, listener] of this.#listeners) this.#socket.off(event, listener);
    for (const [event, listener] of this.#listeners) {
      if (event === 'close') listener.call(this.#socket, false);
    }
    this.#listeners = [];
    this.#socket.setTimeout(0);
  }

  /** Requests are answered in their order: when the latest is that can be answered at all, all are. */
  #onceIdle(proceed: () => void): void {
    const isStuck = this.#latestResponse !== undefined && waitsForBody(this.#latestResponse);
    const latest = isStuck ? this.#responseBefore : this.#latestResponse;
    const go = (): void => {
      if (this.#socket.destroyed || !this.#socket.writable) this.#socket.destroy();
      else proceed();
    };
    if (latest === undefined || latest.closed) {
      go();
      return;
    }
    this.#socket.pause();
    latest.once('close', go);
  }

  #answerOnceIdle(status: string): void {
    clearTimeout(this.#restOfLineTimer);
    this.#refusedBytes = undefined;
    this.#isOver = true;
    if (this.#socket.destroyed) return;
    this.#onceIdle(() => {
      this.#socket.end(`HTTP/1.1 ${status}\r\nConnection: close\r\nContent-Length: 0\r\n\r\n`, () =>
        this.#socket.destroy(),
      );
    });
  }
}

/** The parser has given up in the middle of its request's body: nobody will ever answer it. */
function waitsForBody({ req, headersSent }: ServerResponse): boolean {
  return !req.complete && !headersSent && req.method !== 'GET' && req.method !== 'HEAD';
}

/** The status with which a broken request is answered before its connection is closed. */
function statusOf(error: ParserError): string {
  switch (error.code ?? '') {
    case 'HPE_HEADER_OVERFLOW':
      return '431 Request Header Fields Too Large';
    case 'HPE_CHUNK_EXTENSIONS_OVERFLOW':
      return '413 Payload Too Large';
    case 'ERR_HTTP_REQUEST_TIMEOUT':
      return '408 Request Timeout';
    default:
      return '400 Bad Request';
  }
}

/**
 * Where the request begins whose URL holds the byte at `at`. The URL has no blank in it, so the last blank before is
 * the one after the method; what stands before the method may be a line feed or the body of an earlier request. A line
 * that ended before the byte (`GET h`, LF, then a raw byte) has nothing to be mended: parsed afresh it would be refused
 * at the same byte for ever.
 */
function startOfRequestLine(bytes: Buffer, at: number): number | undefined {
  const blank = bytes.lastIndexOf(SPACE, at);
  if (blank < 0 || bytes.lastIndexOf(LINE_FEED, at) > blank) return undefined;
  const before = bytes.toString('latin1', Math.max(0, blank - LONGEST_METHOD_CHARACTERS), blank);
  const method = METHOD_AT_END.exec(before);
  return method === null ? undefined : blank - method[0].length;
}

function percentEncodeRaw(line: Buffer): Buffer {
  const text = line
    .toString('latin1')
    .replace(/[\x80-\xff]/g, (byte) => `%${byte.charCodeAt(0).toString(16).toUpperCase()}`);
  return Buffer.from(text, 'latin1');
}
