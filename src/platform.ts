/**
 * One node of the platform: builds its parts, starts them from the database up and stops them from the doors
 * down, PostgreSQL last. With the simulator on it is the whole sandbox, operator and phones included.
 */
import { hostname } from 'node:os';
import { setTimeout as pause } from 'node:timers/promises';
import { FollowingClock } from './base/clock.ts';
import type { Logger } from './base/log.ts';
import { createMetrics, type Metrics } from './base/metrics.ts';
import { CallbackDelivery } from './callback/deliver.ts';
import type { Config } from './config.ts';
import { createHttpServer, type HttpServer } from './http/server.ts';
import { connectionBound, openDoors } from './listeners.ts';
import { AddressRules, type Listener } from './outgoing/address-rules.ts';
import { OutgoingClient } from './outgoing/client.ts';
import { DrurlCheck } from './outgoing/drurl-check.ts';
import { type Sandbox, startSandbox } from './sandbox.ts';
import { handsetRoutes } from './simulator/routes.ts';
import { SmsPipeline } from './sms/pipeline.ts';
import { smsHooks, voiceHooks } from './stage-hooks.ts';
import { StopList } from './stop-list.ts';
import { AccountDirectory } from './store/accounts.ts';
import { callQueueHeadAge, countCalls } from './store/call-queue.ts';
import { Database } from './store/database.ts';
import { durabilityRisks } from './store/durability.ts';
import { type EmbeddedPostgres, startEmbeddedPostgres } from './store/embedded/postgres.ts';
import { migrate } from './store/migrate.ts';
import { LAST_MSGID } from './store/msgids.ts';
import { NodeLease } from './store/node-lease.ts';
import { PartitionKeeper } from './store/partition-keeper.ts';
import { nextMsgid } from './store/partitions.ts';
import { countQueued, queueHeads } from './store/queue-depths.ts';
import { leaveSandbox } from './store/sandbox.ts';
import { sealPlainPasswords } from './store/seal-passwords.ts';
import { openSecretKeys } from './store/secret-key-file.ts';
import { VoicePipeline } from './voice/pipeline.ts';
import { openSpeech, type SpeechChoice } from './voice/speech/open.ts';

const EMBEDDED_DATABASE_HOST = '127.0.0.1';

export interface Platform {
  readonly addresses: {
    readonly http: string;
    readonly https: string | undefined;
    readonly metrics: string | undefined;
    readonly smsc: string | undefined;
    readonly telephone: string | undefined;
  };
  readonly embeddedDatabase: boolean;
  stop(): Promise<void>;
}

/** What every part of a node may work with. */
interface Ground {
  readonly config: Config;
  readonly log: Logger;
  readonly stops: StopList;
  readonly metrics: Metrics;
  readonly clock: FollowingClock;
  readonly database: Database;
  /** Where this node listens, which grows while it starts: customers' addresses may not lead there. */
  readonly listeners: Listener[];
}

interface Stages {
  readonly lease: NodeLease;
  readonly accounts: AccountDirectory;
  readonly rules: AddressRules;
  readonly client: OutgoingClient;
  readonly callbacks: CallbackDelivery;
  readonly sms: SmsPipeline;
  readonly voice: VoicePipeline;
}

/** Starts a node; resolves when everything is up. Nothing is left behind when it rejects. */
export async function startPlatform(config: Config, log: Logger): Promise<Platform> {
  const stops = new StopList(log);
  try {
    return await start(config, log, stops);
  } catch (error) {
    await stops.run();
    throw error;
  }
}

async function start(config: Config, log: Logger, stops: StopList): Promise<Platform> {
  const metrics = createMetrics();
  stops.add(async () => metrics.stop());
  const clock = new FollowingClock();
  const { database, listeners } = await openDatabase(config, clock, log, stops);
  const ground: Ground = { config, log, stops, metrics, clock, database, listeners };
  const sandbox = config.simulator.enabled ? await startSandbox(ground) : undefined;
  if (sandbox) listeners.push(sandbox.smsc, sandbox.sip);
  const locked = sandbox ? [] : await leaveSandbox(database);
  if (locked.length > 0) log.warn({ accounts: locked }, 'demo accounts are locked while the simulator is off');

  const stages = buildStages(ground);
  watchStages(ground, stages);
  await startStages(ground, stages);

  let up = false;
  const http = buildServer(ground, stages, sandbox, () => up && stages.lease.epoch() !== undefined);
  stops.add(() => http.stop());
  stops.add(async () => {
    sandbox?.operator.handsets.stop();
    sandbox?.telephone.calls.stop();
  });
  const doors = await openDoors({ config, clock, http, metrics, stops, log, keys: database.keys });
  listeners.push(...doors.listeners);
  up = true;
  stops.add(async () => {
    http.announceStop();
    await pause(config.stopDelayMs);
  });
  return {
    addresses: {
      http: doors.http,
      https: doors.https,
      metrics: doors.metrics,
      smsc: sandbox && `${sandbox.smsc.address}:${sandbox.smsc.port}`,
      telephone: sandbox && `${sandbox.sip.address}:${sandbox.sip.port}`,
    },
    embeddedDatabase: config.databaseUrl === undefined,
    stop: () => stops.run(),
  };
}

async function openDatabase(
  config: Config,
  clock: FollowingClock,
  log: Logger,
  stops: StopList,
): Promise<{ database: Database; listeners: Listener[] }> {
  let embedded: EmbeddedPostgres | undefined;
  if (config.databaseUrl === undefined) {
    embedded = await startEmbeddedPostgres({ dataDir: config.dataDir, log });
    const running = embedded;
    stops.add(() => running.stop());
  }
  const url = config.databaseUrl ?? embedded?.localUrl ?? '';
  await migrate(url);
  const database = new Database(url, { keys: await openSecretKeys(config) });
  stops.add(() => database.stop());
  for (const risk of await durabilityRisks(database)) log.warn({ setting: risk.setting }, risk.warning);
  database.followPrimary(log);
  const keeper = new PartitionKeeper({ database, log, nowMs: () => clock.now(), retentionDays: config.retentionDays });
  await keeper.start();
  stops.add(() => keeper.stop());
  await sealPlainPasswords(database, log);
  return { database, listeners: embedded ? [{ address: EMBEDDED_DATABASE_HOST, port: embedded.port }] : [] };
}

function buildStages({ config, log, metrics, clock, database, listeners }: Ground): Stages {
  const embedded = config.databaseUrl === undefined;
  const lease = new NodeLease({
    database,
    clock,
    // The lock on the data directory lets one process at a time use the embedded database.
    name: embedded ? `${hostname()}:${config.dataDir}` : hostname(),
    alone: embedded,
    onLost: () => {
      sms.loseLease();
      voice.loseLease();
    },
  });
  const accounts = new AccountDirectory({ database });
  const rules = new AddressRules({ allow: config.callbackAllow, platformListeners: () => listeners });
  const client = new OutgoingClient({ rules });
  const callbacks = new CallbackDelivery({
    database,
    client,
    clock,
    lease,
    log,
    concurrency: config.callbackConcurrency,
    concurrencyPerHost: config.callbackConcurrencyPerHost,
    metrics: { attempted: (result) => metrics.callbacks.of(result).add() },
  });
  const sms = new SmsPipeline({
    database,
    clock,
    lease,
    log,
    acceptLingerMs: config.acceptLingerMs,
    receiptGraceMs: config.receiptGraceSeconds * 1000,
    refundUndelivered: config.refundUndelivered,
    hooks: smsHooks(metrics, callbacks),
  });
  const voice = new VoicePipeline({
    database,
    clock,
    lease,
    log,
    rules,
    speech: openSpeech(speechChoice(config), { cacheBytes: config.voice.speechCacheBytes }),
    acceptLingerMs: config.acceptLingerMs,
    settings: config.voice,
    hooks: voiceHooks(metrics, () => callbacks.wake()),
  });
  return { lease, accounts, rules, client, callbacks, sms, voice };
}

/** Adds the gauges that only the database and the RTP thread can answer. */
function watchStages({ metrics, database, clock }: Ground, { voice }: Stages): void {
  metrics.fromDatabase({
    depths: () => countQueued(database),
    headAges: () => queueHeads(database, clock.now()),
    msgidsLeft: async () => LAST_MSGID + 1 - (await nextMsgid(database)),
  });
  metrics.fromVoice({
    counts: () => countCalls(database),
    headAgeSeconds: () => callQueueHeadAge(database, clock.now()),
    packetSpacing: (quantiles) => voice.packetSpacing.take(quantiles),
  });
}

async function startStages({ config, stops, listeners }: Ground, stages: Stages): Promise<void> {
  const { lease, accounts, client, callbacks, sms, voice } = stages;
  await lease.start();
  stops.add(() => lease.stop());
  stops.add(() => client.stop());
  callbacks.start();
  stops.add(() => callbacks.stop());
  // Together: each may need seconds for what is under way.
  stops.add(() => Promise.all([sms.stop(), voice.stop()]));
  await sms.start();
  const { tcpPort } = await voice.start();
  if (tcpPort !== undefined) listeners.push({ address: config.voice.bindAddress, port: tcpPort });
  accounts.start();
  stops.add(() => accounts.stop());
}

function buildServer(
  { config, log, metrics, clock }: Ground,
  { accounts, rules, client, sms, voice }: Stages,
  sandbox: Sandbox | undefined,
  ready: () => boolean,
): HttpServer {
  return createHttpServer({
    config: { trustedProxies: config.trustedProxies, maxConnections: connectionBound(config, log) },
    accounts,
    acceptance: sms.acceptance,
    messages: sms.messages,
    incoming: sms.incomingQuery,
    drurlCheck: new DrurlCheck({ client, rules, clock }),
    clock,
    log,
    metrics,
    prices: config.prices,
    ready,
    voice: {
      acceptance: voice.acceptance,
      calls: voice.calls,
      recordings: voice.recordings,
      tariffs: config.voice.tariffs,
      allowedPrefixes: config.voice.allowedPrefixes,
    },
    ...(sandbox && {
      mount: {
        prefix: '/simulator/',
        handle: handsetRoutes({
          operator: sandbox.operator,
          calls: sandbox.telephone.calls,
          hostNames: config.sandboxPublic ? undefined : [config.httpHost],
        }),
      },
    }),
  });
}

function speechChoice({ voice }: Config): SpeechChoice {
  if (voice.speechCommand !== undefined) return { driver: 'command', command: voice.speechCommand };
  return voice.speechUrl === undefined ? { driver: 'espeak' } : { driver: 'http', url: voice.speechUrl };
}
