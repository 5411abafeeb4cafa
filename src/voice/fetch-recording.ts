/**
 * Fetches the file that a voice_url names while the request waits (point 33): at most 6 MB and 30 s, no redirects, only
 * addresses that customers may name, with the connection pinned to the address that was checked. The number of fetches
 * is bounded, in all and per account; a fetch that gets no place in time has failed.
 */
import type { Socket } from 'node:net';
import { Client } from 'undici';
import { type AddressRules, portOf } from '../outgoing/address-rules.ts';
import { checkedConnect } from '../outgoing/checked-connect.ts';
import { MAX_INFORMATIONAL } from '../outgoing/exchange.ts';
import type { Lookup, NameLookup } from '../outgoing/name-lookup.ts';
import { customersNames } from '../outgoing/name-servers.ts';
import { MAX_RECORDING_BYTES } from './recording.ts';

const TIMEOUT_MS = 30_000;
/** Each may hold a whole file in memory. */
const MAX_RUNNING = 16;
const MAX_RUNNING_PER_ACCOUNT = 4;
const MAX_WAITING = 100;
const OK = 200;
const HEADERS = ['user-agent', 'Feige', 'accept', '*/*'];

export type FetchedRecording =
  | { readonly kind: 'fetched'; readonly file: Buffer }
  | { readonly kind: 'failed'; readonly reason: string };

export interface RecordingFetcherOptions {
  readonly rules: AddressRules;
  readonly lookup?: Lookup;
  /** PEM certificates trusted instead of the well-known authorities. */
  readonly ca?: string;
  readonly timeoutMs?: number;
}

interface Turn {
  readonly accountId: number;
  readonly go: () => void;
}

export class RecordingFetcher {
  readonly #options: RecordingFetcherOptions;
  readonly #names: NameLookup;
  readonly #running = new Map<number, number>();
  readonly #waiting: Turn[] = [];
  #runningInAll = 0;

  constructor(options: RecordingFetcherOptions) {
    this.#options = options;
    this.#names = customersNames(options.lookup);
  }

  /** `url` is absolute, http or https. Never throws. */
  async fetch(url: string, accountId: number): Promise<FetchedRecording> {
    const parsed = URL.parse(url);
    if (parsed === null) return { kind: 'failed', reason: 'not a URL' };
    const deadlineMs = performance.now() + (this.#options.timeoutMs ?? TIMEOUT_MS);
    if (!(await this.#takeTurn(accountId, deadlineMs))) return { kind: 'failed', reason: 'too many fetches at once' };
    try {
      return { kind: 'fetched', file: await this.#get(parsed, deadlineMs) };
    } catch (error) {
      return { kind: 'failed', reason: error instanceof Error ? error.message : String(error) };
    } finally {
      this.#endTurn(accountId);
    }
  }

  async #get(url: URL, deadlineMs: number): Promise<Buffer> {
    const target = { hostname: url.hostname, port: portOf(url), secure: url.protocol === 'https:' };
    const { rules, ca } = this.#options;
    const connect = { rules, names: this.#names, ...(ca !== undefined && { ca }) };
    let socket: Socket | undefined;
    const client = new Client(url.origin, {
      connect: (_options, callback) => {
        socket = checkedConnect(target, connect, (error, connected) =>
          connected ? callback(null, connected) : callback(error ?? new Error('no socket'), null),
        );
      },
      pipelining: 0,
      allowH2: false,
      headersTimeout: 0,
      bodyTimeout: 0,
    });
    // AbortSignal.timeout would keep all of this in memory for 30 s, even after the answer has come.
    const late = new AbortController();
    const timer = setTimeout(() => late.abort(new Error('timed out')), deadlineMs - performance.now()).unref();
    try {
      const path = url.pathname + url.search;
      let informational = 0;
      const onInfo = (): void => {
        informational += 1;
        if (informational > MAX_INFORMATIONAL) late.abort(new Error('informational answers without end'));
      };
      const response = await client.request({ method: 'GET', path, headers: HEADERS, signal: late.signal, onInfo });
      if (response.statusCode !== OK) throw new Error(`answered ${response.statusCode}`);
      return await readBody(response.body);
    } finally {
      clearTimeout(timer);
      socket?.destroy();
      await client.destroy();
    }
  }

  #takeTurn(accountId: number, deadlineMs: number): Promise<boolean> {
    if (this.#mayRun(accountId)) {
      this.#begin(accountId);
      return Promise.resolve(true);
    }
    if (this.#waiting.length >= MAX_WAITING) return Promise.resolve(false);
    return new Promise((resolve) => {
      const turn: Turn = {
        accountId,
        go: () => {
          clearTimeout(timer);
          this.#begin(accountId);
          resolve(true);
        },
      };
      const timer = setTimeout(() => {
        this.#waiting.splice(this.#waiting.indexOf(turn), 1);
        resolve(false);
      }, deadlineMs - performance.now());
      timer.unref();
      this.#waiting.push(turn);
    });
  }

  #mayRun(accountId: number): boolean {
    return this.#runningInAll < MAX_RUNNING && (this.#running.get(accountId) ?? 0) < MAX_RUNNING_PER_ACCOUNT;
  }

  #begin(accountId: number): void {
    this.#runningInAll += 1;
    this.#running.set(accountId, (this.#running.get(accountId) ?? 0) + 1);
  }

  #endTurn(accountId: number): void {
    this.#runningInAll -= 1;
    const left = (this.#running.get(accountId) ?? 1) - 1;
    if (left === 0) this.#running.delete(accountId);
    else this.#running.set(accountId, left);
    const next = this.#waiting.findIndex((turn) => this.#mayRun(turn.accountId));
    if (next >= 0) this.#waiting.splice(next, 1)[0]?.go();
  }
}

async function readBody(body: AsyncIterable<Buffer>): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of body) {
    bytes += chunk.length;
    if (bytes > MAX_RECORDING_BYTES) throw new Error(`larger than ${MAX_RECORDING_BYTES} bytes`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks, bytes);
}
