/**
 * One node of the platform: builds its parts, starts them from the database up and stops them from the doors
 * down, PostgreSQL last. With the simulator on it is the whole sandbox, operator and phones included.
 */
import { hostname } from 'node:os';
import { readFile } from 'node:fs/promises';
import { setTimeout as pause } from 'node:timers/promises';
import { FollowingClock } from './base/clock.ts';
import type { Logger } from './base/log.ts';
import { createMetrics, type Metrics } from './base/metrics.ts';
import type { SecretKeys } from './base/secret-keys.ts';
import { CallbackDelivery } from './callback/deliver.ts';
import type { Config } from './config.ts';
import { connectionsEach, connectionWarning, readOpenFileLimit } from './http/connection-bound.ts';
import { MetricsServer } from './http/metrics-server.ts';
import { type HttpServer, createHttpServer } from './http/server.ts';
import { type Certificate, selfSignedCertificate } from './http/self-signed.ts';
import { AddressRules, type Listener } from './outgoing/address-rules.ts';
import { OutgoingClient } from './outgoing/client.ts';
import { DrurlCheck } from './outgoing/drurl-check.ts';
import { handsetRoutes } from './simulator/routes.ts';
import { SimulatedTelephone } from './simulator/callee.ts';
import { SimulatedOperator } from './simulator/smsc.ts';
import { type SmsHooks, SmsPipeline } from './sms/pipeline.ts';
import { AccountDirectory } from './store/accounts.ts';
import { callQueueHeadAge, countCalls } from './store/call-queue.ts';
import { Database } from './store/database.ts';
import { durabilityRisks } from './store/durability.ts';
import { ensureDemoAccounts, ensureSimulatedOperator } from './store/demo-accounts.ts';
import { type EmbeddedPostgres, startEmbeddedPostgres } from './store/embedded-postgres.ts';
import { migrate } from './store/migrate.ts';
import { LAST_MSGID } from './store/msgids.ts';
import { NodeLease } from './store/node-lease.ts';
import { PartitionKeeper } from './store/partition-keeper.ts';
import { nextMsgid } from './store/partitions.ts';
import { countQueued, queueHeads } from './store/queue-depths.ts';
import { enterSandbox, leaveSandbox } from './store/sandbox.ts';
import { sealPlainPasswords } from './store/seal-passwords.ts';
import { openSecretKeys } from './store/secret-key-file.ts';
import { ensureSimulatedTrunk } from './store/trunks.ts';
import { type VoiceHooks, VoicePipeline } from './voice/pipeline.ts';
import { openSpeech, type SpeechChoice } from './voice/speech-open.ts';

const SIMULATOR_HOST = '127.0.0.1';
const SIMULATOR_SYSTEM_ID = 'feige';
const SIMULATOR_PASSWORD = 'simulate';
const METRICS_HOST = '127.0.0.1';
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

/** What was started, to be stopped in the reverse order, whether the start went through or not. */
class StopList {
  readonly #steps: (() => Promise<unknown>)[] = [];
  readonly #log: Logger;

  constructor(log: Logger) {
    this.#log = log;
  }

  add(step: () => Promise<unknown>): void {
    this.#steps.push(step);
  }

  async run(): Promise<void> {
    for (const step of this.#steps.splice(0).reverse()) {
      await step().catch((error: unknown) => this.#log.error({ err: error }, 'a part did not stop well'));
    }
  }
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
  const { database, ports } = await openDatabase(config, clock, log, stops);
  const simulator = config.simulator.enabled ? await startSandbox(config, database, clock, log, stops) : undefined;
  const locked = simulator ? [] : await leaveSandbox(database);
  if (locked.length > 0) log.warn({ accounts: locked }, 'demo accounts are locked while the simulator is off');

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
  const listeners: Listener[] = [...ports, ...(simulator?.ports ?? [])];
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

  let up = false;
  const http = createHttpServer({
    config: { trustedProxies: config.trustedProxies, maxConnections: boundConnections(config, log) },
    accounts,
    acceptance: sms.acceptance,
    messages: sms.messages,
    incoming: sms.incomingQuery,
    drurlCheck: new DrurlCheck({ client, rules, clock }),
    clock,
    log,
    metrics,
    prices: config.prices,
    ready: () => up && lease.epoch() !== undefined,
    voice: {
      acceptance: voice.acceptance,
      calls: voice.calls,
      recordings: voice.recordings,
      tariffs: config.voice.tariffs,
      allowedPrefixes: config.voice.allowedPrefixes,
    },
    ...(simulator && {
      mount: {
        prefix: '/simulator/',
        handle: handsetRoutes({
          operator: simulator.operator,
          calls: simulator.telephone.calls,
          hostNames: config.sandboxPublic ? undefined : [config.httpHost],
        }),
      },
    }),
  });
  stops.add(() => http.stop());
  stops.add(async () => {
    simulator?.operator.handsets.stop();
    simulator?.telephone.calls.stop();
  });
  const addresses = await listen({ config, clock, http, metrics, stops, log, keys: database.keys });
  listeners.push(...addresses.listeners);
  up = true;
  stops.add(async () => {
    http.announceStop();
    await pause(config.stopDelayMs);
  });
  return {
    addresses: {
      http: addresses.http,
      https: addresses.https,
      metrics: addresses.metrics,
      smsc: simulator && `${SIMULATOR_HOST}:${simulator.ports[0].port}`,
      telephone: simulator && `${SIMULATOR_HOST}:${simulator.ports[1].port}`,
    },
    embeddedDatabase: embedded,
    stop: () => stops.run(),
  };
}

async function openDatabase(
  config: Config,
  clock: FollowingClock,
  log: Logger,
  stops: StopList,
): Promise<{ database: Database; ports: readonly Listener[] }> {
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
  return { database, ports: embedded ? [{ address: EMBEDDED_DATABASE_HOST, port: embedded.port }] : [] };
}

async function startSandbox(
  config: Config,
  database: Database,
  clock: FollowingClock,
  log: Logger,
  stops: StopList,
): Promise<{ operator: SimulatedOperator; telephone: SimulatedTelephone; ports: readonly [Listener, Listener] }> {
  const operator = new SimulatedOperator({
    host: SIMULATOR_HOST,
    port: config.simulator.smscPort,
    dataDir: config.dataDir,
    systemId: SIMULATOR_SYSTEM_ID,
    password: SIMULATOR_PASSWORD,
    latencyMs: config.simulator.latencyMs,
    receiptDelayMs: config.simulator.receiptDelayMs,
    throttlePerSecond: config.simulator.throttleSegmentsPerSecond,
    errorRate: config.simulator.errorRate,
    clock,
    log,
  });
  const { port } = await operator.start();
  stops.add(() => operator.stop());
  const telephone = new SimulatedTelephone({
    host: SIMULATOR_HOST,
    port: config.simulator.telephonePort,
    dataDir: config.dataDir,
    clock,
    log,
  });
  const { port: telephonePort } = await telephone.start();
  stops.add(() => telephone.stop());
  await enterSandbox(database);
  await ensureDemoAccounts(database);
  await ensureSimulatedOperator(database, {
    host: SIMULATOR_HOST,
    port,
    systemId: SIMULATOR_SYSTEM_ID,
    password: SIMULATOR_PASSWORD,
  });
  await ensureSimulatedTrunk(database, { host: SIMULATOR_HOST, port: telephonePort });
  const ports = [
    { address: SIMULATOR_HOST, port },
    { address: SIMULATOR_HOST, port: telephonePort },
  ] as const;
  return { operator, telephone, ports };
}

/** Connections to each HTTP port, as far as the process may open files. */
function boundConnections(config: Config, log: Logger): number {
  const openFiles = readOpenFileLimit();
  const listeners = config.httpsPort === 'off' ? 1 : 2;
  const warning = connectionWarning(openFiles, listeners);
  if (warning !== undefined) log.warn({ openFiles }, warning);
  return connectionsEach(openFiles, listeners);
}

async function listen(parts: {
  config: Config;
  clock: FollowingClock;
  http: HttpServer;
  metrics: Metrics;
  stops: StopList;
  log: Logger;
  keys: SecretKeys | undefined;
}): Promise<{ http: string; https: string | undefined; metrics: string | undefined; listeners: Listener[] }> {
  const { config, http, metrics, stops } = parts;
  let metricsPort: number | undefined;
  if (config.metricsPort !== 'off') {
    const server = new MetricsServer(metrics);
    await server.listen({ host: METRICS_HOST, port: config.metricsPort });
    stops.add(() => server.stop());
    metricsPort = server.address()?.port;
  }
  await http.listenHttp({ host: config.httpHost, port: config.httpPort });
  if (config.httpsPort !== 'off') {
    await http.listenHttps({ host: config.httpHost, port: config.httpsPort, tls: await certificate(parts) });
  }
  const bound = http.addresses();
  const urlOf = (scheme: string): string | undefined => {
    const found = bound.find((address) => address.scheme === scheme);
    return found && `${scheme}://${bracketed(config.httpHost)}:${found.port}`;
  };
  return {
    http: urlOf('http') ?? '',
    https: urlOf('https'),
    metrics: metricsPort === undefined ? undefined : `http://${METRICS_HOST}:${metricsPort}/metrics`,
    listeners: [...bound, ...(metricsPort === undefined ? [] : [{ address: METRICS_HOST, port: metricsPort }])],
  };
}

async function certificate(parts: {
  config: Config;
  clock: FollowingClock;
  log: Logger;
  keys: SecretKeys | undefined;
}): Promise<Certificate> {
  const { config, clock, log, keys } = parts;
  if (!config.tls) return selfSignedCertificate({ directory: config.dataDir, nowMs: clock.now(), keys, log });
  return {
    cert: await readFile(config.tls.certificatePath, 'utf8'),
    key: await readFile(config.tls.keyPath, 'utf8'),
  };
}

function bracketed(host: string): string {
  return host.includes(':') ? `[${host}]` : host;
}

/** What the metrics count of the stages, and what wakes the callbacks. */
export function smsHooks(metrics: Metrics, callbacks: Pick<CallbackDelivery, 'wake' | 'holder'>): SmsHooks {
  return {
    batch: (stage, rows) => metrics.batchRows.observe({ stage }, rows),
    submitted: (operator, result) => metrics.submits.of(operator, result).add(),
    received: (operator, state) => metrics.receipts.of(operator, state).add(),
    settled: (rows) => {
      for (const row of rows)
        for (const latencyMs of row.latencies_ms) metrics.deliverySeconds.observe(latencyMs / 1000);
    },
    unresolved: () => metrics.unresolvedCommits.add(),
    callbackOwed: () => callbacks.wake(),
    callbackHolder: () => callbacks.holder(),
  };
}

export function voiceHooks(metrics: Metrics, callbackOwed: () => void): VoiceHooks {
  return {
    batch: (stage, rows) => metrics.batchRows.observe({ stage }, rows),
    unresolved: () => metrics.unresolvedCommits.add(),
    settled: (calls) => {
      for (const { state } of calls) metrics.calls.of(state).add();
    },
    callbackOwed,
  };
}

function speechChoice({ voice }: Config): SpeechChoice {
  if (voice.speechCommand !== undefined) return { driver: 'command', command: voice.speechCommand };
  return voice.speechUrl === undefined ? { driver: 'espeak' } : { driver: 'http', url: voice.speechUrl };
}
