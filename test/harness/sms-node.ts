/**
 * The SMS stages of one node over a real database and the simulated operator on a real port: everything between
 * the HTTP endpoints and the callbacks.
 */
import { createHash } from 'node:crypto';
import { setTimeout as pause } from 'node:timers/promises';
import { FollowingClock } from '../../src/base/clock.ts';
import { createLogger, type Logger } from '../../src/base/log.ts';
import { DEFAULT_PRICES, parsePrices, type PriceTable, priceOf } from '../../src/domain/price.ts';
import { parseOperatorSettings } from '../../src/domain/operator-settings.ts';
import { parseMobile } from '../../src/domain/phone-number.ts';
import { measure } from '../../src/gsm/segments.ts';
import { SimulatedOperator } from '../../src/simulator/smsc.ts';
import type { AcceptOutcome } from '../../src/store/charged-batches.ts';
import { SmsPipeline } from '../../src/sms/pipeline.ts';
import type { LookUp } from '../../src/sms/query.ts';
import { createAccount } from '../../src/store/account-admin.ts';
import { Database } from '../../src/store/database.ts';
import { NodeLease } from '../../src/store/node-lease.ts';
import { addOperator } from '../../src/store/operators.ts';
import { makePartitions } from '../../src/store/partitions.ts';
import { createTestDatabase, type TestDatabase } from './database.ts';

const PATIENCE_MS = 20_000;
const LOOK_EVERY_MS = 10;

/** Looks until `look` gives something; fails when it has not after 20 s. */
export async function eventually<Found>(what: string, look: () => Promise<Found | undefined>): Promise<Found> {
  const deadlineMs = performance.now() + PATIENCE_MS;
  while (performance.now() < deadlineMs) {
    const found = await look();
    if (found !== undefined) return found;
    await pause(LOOK_EVERY_MS);
  }
  throw new Error(`not seen in time: ${what}`);
}

/** Moves every process's clock forward; the nodes follow it when they renew their leases. */
export async function moveTime(node: SmsNode, durationMs: number): Promise<void> {
  const wantedMs = node.clock.now() + durationMs - 1_000;
  await node.rows('UPDATE clock_shift SET offset_ms = offset_ms + $1', [durationMs]);
  await eventually('the moved clock', async () => (node.clock.now() > wantedMs ? true : undefined));
}

export interface SmsNodeOptions {
  readonly operatorSettings?: Record<string, unknown>;
  /** Where the links go instead of to the simulator itself: to a line in between, which is given its port. */
  readonly operatorPort?: (simulatorPort: number) => Promise<number>;
  readonly receiptGraceMs?: number;
  readonly refundUndelivered?: boolean;
  readonly points?: number;
  readonly acceptLingerMs?: number;
  /** What is in the database before the stages start. */
  readonly prepare?: (database: Database) => Promise<unknown>;
}

interface MoreOfMessage {
  dueAtMs?: number;
  validitySeconds?: number;
  drurl?: string;
  /** The account's own. */
  sourceAddress?: string;
}

export interface SmsNode {
  readonly database: Database;
  readonly pipeline: SmsPipeline;
  readonly simulator: SimulatedOperator;
  readonly accountId: number;
  readonly operatorId: number;
  readonly clock: FollowingClock;
  readonly simulatorPort: number;
  send(mobile: string, text: string, more?: MoreOfMessage): Promise<AcceptOutcome>;
  sendAccepted(mobile: string, text: string, more?: MoreOfMessage): Promise<number>;
  lookUp(msgid: number, mobile: string): Promise<LookUp>;
  finalState(msgid: number, mobile: string): Promise<string>;
  balance(): Promise<number>;
  events(
    msgid: number,
  ): Promise<{ kind: string; status: number | null; detail: string | null; operator_message_id: string | null }[]>;
  rows<Row>(sql: string, parameters?: readonly (string | number)[]): Promise<Row[]>;
  readonly lease: NodeLease;
  /** Another node on the same database; stop it before this one. */
  startPeer(): Promise<Peer>;
  stop(): Promise<void>;
}

export interface Peer {
  readonly pipeline: SmsPipeline;
  readonly lease: NodeLease;
  readonly database: Database;
  stop(): Promise<void>;
}

export async function startSmsNode(options: SmsNodeOptions = {}): Promise<SmsNode> {
  const testDatabase = await createTestDatabase();
  const node = await startOn(testDatabase, options);
  return node;
}

async function startOn(testDatabase: TestDatabase, options: SmsNodeOptions): Promise<SmsNode> {
  const log = createLogger({ level: process.env.TEST_LOG === undefined ? 'silent' : 'debug' });
  const clock = new FollowingClock();
  const database = new Database(testDatabase.url);
  await makePartitions(database);
  const points = options.points ?? 1_000;
  const created = await createAccount(database, {
    username: 'customer',
    passwordHash: 'unused',
    points,
    settings: { international: true },
  });
  if (created.kind !== 'created') throw new Error('the account was there already');
  const simulator = new SimulatedOperator({
    host: '127.0.0.1',
    port: 0,
    dataDir: undefined,
    clock,
    log,
    receiptDelayMs: 20,
  });
  const { port } = await simulator.start();
  const settings = parseOperatorSettings({
    host: '127.0.0.1',
    port: (await options.operatorPort?.(port)) ?? port,
    systemId: 'feige',
    password: 'simulate',
    throttle: 5_000,
    responseTimeoutMs: 500,
    ...options.operatorSettings,
  });
  if (!settings.ok) throw new Error(settings.mistakes.join('; '));
  const operator = await addOperator(database, { name: 'simulator', enabled: true, settings: settings.settings });
  if (operator.kind !== 'added') throw new Error('the operator was there already');
  const { operatorId } = operator.operator;
  await options.prepare?.(database);
  const first = await startStages({ database, clock, log, name: 'test' }, options);
  const { pipeline, lease } = first;
  await eventually('a bound link', async () => (pipeline.directory.isUp(operatorId) ? true : undefined));
  const { accountId } = created.account;
  const rows = <Row>(sql: string, parameters: readonly (string | number)[] = []): Promise<Row[]> =>
    database.query<Row>({ name: `test-${createHash('md5').update(sql).digest('hex')}`, text: sql }, parameters);
  const lookUp = (msgid: number, mobile: string): Promise<LookUp> =>
    pipeline.messages.lookUp({ accountId, msgid, mobile: e164(mobile), outrange: true });
  const send: SmsNode['send'] = async (mobile, text, more = {}) =>
    pipeline.acceptance.accept(await newMessage(rows, accountId, mobile, text, more));
  return {
    database,
    pipeline,
    simulator,
    accountId,
    operatorId,
    clock,
    simulatorPort: port,
    rows,
    send,
    lookUp,
    sendAccepted: async (mobile, text, more) => {
      const outcome = await send(mobile, text, more);
      if (outcome.kind !== 'accepted') throw new Error(`not accepted: ${outcome.kind}`);
      return outcome.msgid;
    },
    finalState: (msgid, mobile) =>
      eventually(`a final state of ${msgid}`, async () => {
        const found = await lookUp(msgid, mobile);
        return found.kind === 'final' ? found.state : undefined;
      }),
    balance: async () =>
      (await rows<{ balance: number }>('SELECT balance FROM accounts WHERE account_id = $1', [accountId]))[0]
        ?.balance ?? -1,
    events: (msgid) =>
      rows('SELECT kind, status, detail, operator_message_id FROM message_events WHERE msgid = $1 ORDER BY at', [
        msgid,
      ]),
    lease,
    startPeer: async () => {
      const peerDatabase = new Database(testDatabase.url);
      const peerClock = new FollowingClock();
      const peer = await startStages({ database: peerDatabase, clock: peerClock, log, name: 'peer' }, options);
      return {
        ...peer,
        database: peerDatabase,
        stop: async () => {
          await peer.stop();
          await peerDatabase.stop();
        },
      };
    },
    stop: async () => {
      await first.stop();
      await simulator.stop();
      await database.stop();
      await testDatabase.drop();
    },
  };
}

async function startStages(
  parts: { database: Database; clock: FollowingClock; log: Logger; name: string },
  options: SmsNodeOptions,
): Promise<{ pipeline: SmsPipeline; lease: NodeLease; stop: () => Promise<void> }> {
  const lease = new NodeLease({ ...parts, onLost: () => pipeline.loseLease() });
  const pipeline: SmsPipeline = new SmsPipeline({
    ...parts,
    lease,
    acceptLingerMs: options.acceptLingerMs ?? 1,
    receiptGraceMs: options.receiptGraceMs ?? 3_600_000,
    refundUndelivered: options.refundUndelivered ?? false,
    hooks: {
      batch() {},
      submitted() {},
      received() {},
      settled() {},
      unresolved() {},
      callbackOwed() {},
      callbackHolder: () => undefined,
    },
  });
  await lease.start();
  await pipeline.start();
  return {
    pipeline,
    lease,
    stop: async () => {
      await pipeline.stop();
      await lease.stop();
    },
  };
}

function prices(): PriceTable {
  const parsed = parsePrices(DEFAULT_PRICES);
  if ('error' in parsed) throw new Error(parsed.error);
  return parsed;
}

function e164(mobile: string): string {
  const parsed = parseMobile(mobile);
  if (!parsed) throw new Error(`not a mobile number: ${mobile}`);
  return parsed.e164;
}

async function newMessage(
  rows: SmsNode['rows'],
  accountId: number,
  mobile: string,
  text: string,
  more: MoreOfMessage,
): Promise<Parameters<SmsPipeline['acceptance']['accept']>[0]> {
  const msisdn = parseMobile(mobile);
  if (!msisdn) throw new Error(`not a mobile number: ${mobile}`);
  const { segments } = measure(text);
  const [account] = await rows<{ version: number }>('SELECT version FROM accounts WHERE account_id = $1', [accountId]);
  return {
    accountId,
    accountVersion: account?.version ?? 0,
    mobile: msisdn.e164,
    body: text,
    segments,
    points: priceOf(prices(), msisdn, segments),
    dueAtMs: more.dueAtMs,
    validitySeconds: more.validitySeconds ?? 28_800,
    drurl: more.drurl,
    sourceAddress: more.sourceAddress,
  };
}
