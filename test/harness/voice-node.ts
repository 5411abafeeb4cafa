/**
 * The voice stages of one node over a real database, the simulated telephone on a real port and real RTP: everything
 * between the HTTP endpoints and the callbacks. Speech is a tone, so that no engine has to start.
 */
import { createHash } from 'node:crypto';
import { FollowingClock } from '../../src/base/clock.ts';
import { createLogger } from '../../src/base/log.ts';
import { parseTrunkSettings, type TrunkSettings } from '../../src/domain/trunk-settings.ts';
import { AddressRules } from '../../src/outgoing/address-rules.ts';
import { SimulatedTelephone } from '../../src/simulator/callee.ts';
import { createAccount } from '../../src/store/account-admin.ts';
import { Database } from '../../src/store/database.ts';
import { NodeLease } from '../../src/store/node-lease.ts';
import { makePartitions } from '../../src/store/partitions.ts';
import { addTrunk } from '../../src/store/trunks.ts';
import type { AcceptOutcome } from '../../src/store/charged-batches.ts';
import type { NewCall } from '../../src/voice/accept.ts';
import { VoicePipeline } from '../../src/voice/pipeline.ts';
import type { CallLookUp } from '../../src/voice/query.ts';
import type { SpeechDriver } from '../../src/voice/speech/driver.ts';
import { createTestDatabase } from './database.ts';
import { eventually } from './sms-node.ts';

const POINTS = 1_000;
const SAMPLES_PER_SECOND = 8_000;

export interface VoiceNodeOptions {
  speech?: SpeechDriver;
  ringTimeoutMs?: number;
  callsPerAccount?: number;
  callsPerSecondPerAccount?: number;
  /** Without: one trunk to the simulated telephone. */
  trunks?: Record<string, Partial<TrunkSettings>>;
  points?: number;
  /** After a lost claim, when it is looked for the second time. */
  lookAgainAfterMs?: number;
  /** The way of the node to the database: what connects it to this server, in place of the server itself. */
  databaseLine?: (server: { host: string; port: number }) => Promise<number>;
}

export interface VoiceNode {
  readonly database: Database;
  readonly databaseUrl: string;
  readonly pipeline: VoicePipeline;
  readonly telephone: SimulatedTelephone;
  readonly telephonePort: number;
  readonly lease: NodeLease;
  readonly clock: FollowingClock;
  readonly accountId: number;
  rows<Row>(sql: string, parameters?: readonly (string | number)[]): Promise<Row[]>;
  accept(phone: string, more?: Partial<NewCall>): Promise<AcceptOutcome>;
  /** The msgid of a call that was accepted. */
  sent(phone: string, more?: Partial<NewCall>): Promise<number>;
  lookUp(msgid: number): Promise<CallLookUp>;
  final(msgid: number): Promise<Extract<CallLookUp, { kind: 'final' }>>;
  balance(): Promise<number>;
  /** Another node on the same database; gives what stops it. */
  startPeer(): Promise<() => Promise<void>>;
  /** Starts the stages; `startVoiceNode` does so unless told otherwise. */
  start(): Promise<void>;
  stop(): Promise<void>;
}

/** A tone of so many milliseconds for every text. */
export function toneSpeech(milliseconds: number): SpeechDriver {
  const samples = Int16Array.from({ length: (milliseconds * SAMPLES_PER_SECOND) / 1000 }, (_, at) =>
    Math.round(8_000 * Math.sin(at / 3)),
  );
  return { synthesize: async () => samples, stop: async () => {} };
}

export async function startVoiceNode(options: VoiceNodeOptions = {}, starts = true): Promise<VoiceNode> {
  const testDatabase = await createTestDatabase();
  const url = new URL(testDatabase.url);
  const port = await options.databaseLine?.({ host: url.hostname, port: Number(url.port) });
  if (port !== undefined) url.port = String(port);
  const database = new Database(url.href);
  const clock = new FollowingClock();
  const log = createLogger({ level: 'silent' });
  await makePartitions(database);
  const created = await createAccount(database, {
    username: 'voice',
    passwordHash: 'none',
    points: options.points ?? POINTS,
    settings: {},
  });
  if (created.kind !== 'created') throw new Error('the account was there already');
  const { accountId, version } = created.account;
  const telephone = new SimulatedTelephone({ host: '127.0.0.1', port: 0, dataDir: undefined, clock, log, ringMs: 20 });
  const { port: telephonePort } = await telephone.start();
  const trunks = options.trunks ?? { simulator: {} };
  for (const [name, settings] of Object.entries(trunks)) {
    const parsed = parseTrunkSettings({
      host: '127.0.0.1',
      port: telephonePort,
      maxCalls: 500,
      callsPerSecond: 500,
      answerTimeoutMs: 500,
      heartbeatSeconds: 0,
      ...settings,
    });
    if (!parsed.ok) throw new Error(parsed.mistakes.join('; '));
    await addTrunk(database, { name, enabled: true, settings: parsed.settings });
  }
  const { lease, pipeline } = makeStages({ database, clock, name: 'test' }, options);
  const rows = <Row>(sql: string, parameters: readonly (string | number)[] = []): Promise<Row[]> =>
    database.query<Row>({ name: `test-${createHash('md5').update(sql).digest('hex')}`, text: sql }, parameters);
  const lookUp = (msgid: number): Promise<CallLookUp> => pipeline.calls.lookUp({ accountId, msgid });
  const accept: VoiceNode['accept'] = (phone, more) =>
    pipeline.acceptance.accept({ ...newCall(accountId, version, phone), ...more });
  let running = false;
  const node: VoiceNode = {
    database,
    databaseUrl: testDatabase.url,
    pipeline,
    telephone,
    telephonePort,
    lease,
    clock,
    accountId,
    rows,
    accept,
    lookUp,
    sent: async (phone, more) => {
      const outcome = await accept(phone, more);
      if (outcome.kind !== 'accepted') throw new Error(`not accepted: ${outcome.kind}`);
      return outcome.msgid;
    },
    final: (msgid) =>
      eventually(`the end of call ${msgid}`, async () => {
        const found = await lookUp(msgid);
        return found.kind === 'final' ? found : undefined;
      }),
    balance: async () =>
      (await rows<{ balance: number }>('SELECT balance FROM accounts WHERE account_id = $1', [accountId]))[0]
        ?.balance ?? -1,
    startPeer: async () => {
      const peerDatabase = new Database(testDatabase.url);
      const peer = makeStages({ database: peerDatabase, clock: new FollowingClock(), name: 'peer' }, options);
      await peer.lease.start();
      await peer.pipeline.start();
      return async () => {
        await peer.pipeline.stop();
        await peer.lease.stop();
        await peerDatabase.stop();
      };
    },
    start: async () => {
      running = true;
      await lease.start();
      await pipeline.start();
    },
    stop: async () => {
      if (running) {
        await pipeline.stop();
        await lease.stop();
      }
      await telephone.stop();
      await database.stop();
      await testDatabase.drop();
    },
  };
  if (starts) await node.start();
  return node;
}

function makeStages(
  parts: { database: Database; clock: FollowingClock; name: string },
  options: VoiceNodeOptions,
): { lease: NodeLease; pipeline: VoicePipeline } {
  const lease = new NodeLease({ ...parts, onLost: () => pipeline.loseLease() });
  const pipeline: VoicePipeline = new VoicePipeline({
    ...parts,
    lease,
    log: createLogger({ level: 'silent' }),
    rules: new AddressRules({ allow: ['127.0.0.0/8'], platformListeners: () => [] }),
    speech: options.speech ?? toneSpeech(200),
    ...(options.lookAgainAfterMs !== undefined && { lookAgainAfterMs: options.lookAgainAfterMs }),
    acceptLingerMs: 1,
    settings: {
      bindAddress: '127.0.0.1',
      sipPort: 0,
      publicAddress: undefined,
      rtpPorts: { first: 30_000, last: 39_999 },
      ringTimeoutMs: options.ringTimeoutMs ?? 500,
      callsPerAccount: options.callsPerAccount ?? 500,
      callsPerSecondPerAccount: options.callsPerSecondPerAccount ?? 500,
    },
    hooks: { batch() {}, unresolved() {}, settled() {}, callbackOwed() {} },
  });
  return { lease, pipeline };
}

/** 2 points a started minute, 2 of them reserved. */
export function newCall(accountId: number, accountVersion: number, phone: string): NewCall {
  return {
    accountId,
    accountVersion,
    phone: `886${phone.slice(1)}`,
    type: 1,
    body: '您好',
    voice: 1,
    speed: 0,
    volume: 100,
    recordingId: undefined,
    replayMode: 0,
    replayTimes: 1,
    response: undefined,
    unitPoints: 2,
    unitSeconds: 60,
    points: 2,
  };
}
