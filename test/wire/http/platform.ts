/**
 * The HTTP server on a free loopback port before real accounts in a real database, with stand-ins for what lies
 * behind it, which remember what they were asked.
 */
import { request as requestHttp } from 'node:http';
import { createLogger } from '../../../src/base/log.ts';
import { ManualClock } from '../../../src/base/clock.ts';
import { createMetrics, type Metrics } from '../../../src/base/metrics.ts';
import { hashPassword } from '../../../src/base/password.ts';
import { DEFAULT_PRICES, parsePrices } from '../../../src/domain/price.ts';
import { createHttpServer, type HttpServer } from '../../../src/http/server.ts';
import type { HttpServices } from '../../../src/http/services.ts';
import { AddressRules } from '../../../src/outgoing/address-rules.ts';
import { OutgoingClient } from '../../../src/outgoing/client.ts';
import { DrurlCheck } from '../../../src/outgoing/drurl-check.ts';
import type { NewMessage } from '../../../src/sms/accept.ts';
import type { AcceptOutcome } from '../../../src/store/charged-batches.ts';
import type { IncomingAnswer } from '../../../src/sms/incoming-query.ts';
import type { LookUp } from '../../../src/sms/query.ts';
import { type AccountSettings, createAccount } from '../../../src/store/account-admin.ts';
import { AccountDirectory } from '../../../src/store/accounts.ts';
import { Database } from '../../../src/store/database.ts';
import { createTestDatabase, type TestDatabase } from '../../harness/database.ts';

/** 2026-11-22 12:00:00 in Taipei. */
export const NOON_MS = Date.UTC(2026, 10, 22, 4, 0, 0);
export const PASSWORD = '1234';

export interface Response {
  status: number;
  headers: Record<string, string | string[] | undefined>;
  body: string;
  json(): Record<string, unknown>;
}

export class Platform {
  readonly clock = new ManualClock(NOON_MS);
  readonly metrics: Metrics = createMetrics();
  readonly accepted: NewMessage[] = [];
  readonly asked: unknown[] = [];
  /** What the stand-ins say next. */
  acceptOutcome: (message: NewMessage) => AcceptOutcome | Promise<AcceptOutcome> = () => ({
    kind: 'accepted',
    msgid: 100_000_000,
  });
  lookUp: LookUp = { kind: 'not-found' };
  isDeleted = false;
  incoming: IncomingAnswer = { kind: 'unknown-number' };
  isReady = true;
  readonly database: Database;
  readonly accounts: AccountDirectory;
  server: HttpServer;
  port = 0;
  /** Where its database is, for those who go there by another way. */
  readonly databaseUrl: string;
  readonly #testDatabase: TestDatabase;
  readonly #client: OutgoingClient;

  constructor(testDatabase: TestDatabase, services: Partial<HttpServices>) {
    this.#testDatabase = testDatabase;
    this.databaseUrl = testDatabase.url;
    this.database = new Database(testDatabase.url);
    this.accounts = new AccountDirectory({ database: this.database });
    const rules = new AddressRules({ allow: ['127.0.0.0/8'], platformListeners: () => [] });
    this.#client = new OutgoingClient({ rules });
    const prices = parsePrices(DEFAULT_PRICES);
    if ('error' in prices) throw new Error(prices.error);
    this.server = createHttpServer({
      config: { trustedProxies: [] },
      accounts: this.accounts,
      acceptance: { accept: async (message) => this.#accept(message) },
      messages: {
        lookUp: async (query) => {
          this.asked.push(query);
          return this.lookUp;
        },
        deleteScheduled: async (query) => {
          this.asked.push(query);
          return this.isDeleted;
        },
      },
      incoming: {
        find: async (query) => {
          this.asked.push(query);
          return this.incoming;
        },
      },
      drurlCheck: new DrurlCheck({ client: this.#client, rules, clock: this.clock }),
      clock: this.clock,
      log: createLogger({ level: 'silent' }),
      metrics: this.metrics,
      prices,
      ready: () => this.isReady,
      ...services,
    });
  }

  async #accept(message: NewMessage): Promise<AcceptOutcome> {
    this.accepted.push(message);
    return this.acceptOutcome(message);
  }

  async start(): Promise<this> {
    this.accounts.start();
    await this.server.listenHttp({ host: '127.0.0.1', port: 0 });
    this.port = this.server.addresses()[0]?.port ?? 0;
    return this;
  }

  /** Takes the database away under the running server. */
  dropDatabase(): Promise<void> {
    return this.#testDatabase.drop();
  }

  async stop(): Promise<void> {
    await this.server.stop();
    await this.accounts.stop();
    await this.#client.stop();
    await this.database.stop();
    this.metrics.stop();
    await this.#testDatabase.drop();
  }

  async addAccount(
    username: string,
    options: { points?: number; settings?: Partial<AccountSettings> } = {},
  ): Promise<void> {
    const passwordHash = await hashPassword(PASSWORD);
    await createAccount(this.database, {
      username,
      passwordHash,
      points: options.points ?? 100,
      settings: options.settings ?? {},
    });
  }

  /** `parameters` become the query string of `/json/<endpoint>.php`, credentials of `test` added. */
  get(endpoint: string, parameters: Record<string, string> = {}): Promise<Response> {
    const query = new URLSearchParams({ username: 'test', password: PASSWORD, ...parameters });
    return this.ask(`/json/${endpoint}.php?${query.toString()}`);
  }

  ask(
    path: string,
    options: { method?: string; headers?: Record<string, string>; body?: string | Buffer } = {},
  ): Promise<Response> {
    return ask(this.port, path, options);
  }
}

export async function startPlatform(services: Partial<HttpServices> = {}): Promise<Platform> {
  return new Platform(await createTestDatabase(), services).start();
}

export async function ask(
  port: number,
  path: string,
  options: { method?: string; headers?: Record<string, string>; body?: string | Buffer } = {},
): Promise<Response> {
  const { promise, resolve, reject } = Promise.withResolvers<Response>();
  const sent = requestHttp({
    host: '127.0.0.1',
    port,
    path,
    method: options.method ?? 'GET',
    headers: options.headers ?? {},
  });
  sent.on('response', (response) => {
    const chunks: Buffer[] = [];
    response.on('data', (chunk: Buffer) => chunks.push(chunk));
    response.on('end', () => {
      const body = Buffer.concat(chunks).toString('latin1');
      const json = (): Record<string, unknown> => JSON.parse(body) as Record<string, unknown>;
      resolve({ status: response.statusCode ?? 0, headers: response.headers, body, json });
    });
  });
  sent.on('error', reject);
  sent.end(options.body);
  return promise;
}
