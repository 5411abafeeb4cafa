/**
 * One HTTP/1.1 connection with one request under way at a time, as cheap as a client can be: the request is written
 * as it is given, and of the answer only the length and the end are looked for. For the platform's own answers only.
 */
import { connect, type Socket } from 'node:net';

const LENGTH = /\r\ncontent-length: (\d+)\r\n/i;
const END_OF_HEADERS = '\r\n\r\n';
const MAX_ANSWER_CHARACTERS = 65_536;

export interface HttpConnectionOptions {
  readonly host: string;
  readonly port: number;
  /** Called with the body (Latin-1) of each answer; may send the next request. */
  readonly onAnswer: (connection: HttpConnection, body: string) => void;
  /** The connection is gone, or what came is no answer; nothing is called afterwards. */
  readonly onEnd: (reason: string) => void;
}

export class HttpConnection {
  readonly #options: HttpConnectionOptions;
  readonly #socket: Socket;
  #received = '';
  #ended = false;
  /** When the request under way was sent; for the owner. */
  sentAtMs = 0;

  constructor(options: HttpConnectionOptions) {
    this.#options = options;
    this.#socket = connect({ host: options.host, port: options.port, noDelay: true });
    this.#socket.on('data', (chunk: Buffer) => this.#take(chunk.toString('latin1')));
    this.#socket.on('error', (error) => this.#end(error.message));
    this.#socket.on('close', () => this.#end('closed by the server'));
  }

  /** @param request head and body, ASCII */
  send(request: string): void {
    this.sentAtMs = performance.now();
    this.#socket.write(request, 'latin1');
  }

  close(): void {
    this.#ended = true;
    this.#socket.destroy();
  }

  #take(text: string): void {
    const all = this.#received === '' ? text : this.#received + text;
    const headEnd = all.indexOf(END_OF_HEADERS);
    const bodyAt = headEnd + END_OF_HEADERS.length;
    const length = headEnd < 0 ? undefined : LENGTH.exec(all)?.[1];
    if (headEnd >= 0 && length === undefined) {
      this.#end('an answer without Content-Length');
      return;
    }
    if (length === undefined || all.length < bodyAt + Number(length)) {
      this.#received = all;
      if (all.length > MAX_ANSWER_CHARACTERS) this.#end('an answer that does not end');
      return;
    }
    this.#received = '';
    this.#options.onAnswer(this, all.slice(bodyAt));
  }

  #end(reason: string): void {
    if (this.#ended) return;
    this.close();
    this.#options.onEnd(reason);
  }
}
