/**
 * The environment as a frozen configuration. The only reader of `process.env`; it names every mistake at once
 * and never guesses; `config/` holds what it reads variables with. docs/reference/config.md explains each variable,
 * and a test compares the two.
 */
import { accessSync, constants } from 'node:fs';
import { isIP } from 'node:net';
import { resolve } from 'node:path';
import ipaddr from 'ipaddr.js';
import { LOG_LEVELS, type LogLevel } from './base/log.ts';
import { readSecretKeys } from './config/secret-keys.ts';
import { VariableReader } from './config/variable-reader.ts';
import { DEFAULT_PRICES, type PriceTable, parsePrices } from './domain/price.ts';
import { parseAllowedPrefixes } from './domain/voice-phone.ts';
import { DEFAULT_VOICE_PRICES, parseVoicePrices, type TariffTable } from './domain/voice-tariff.ts';

/** Every variable with its default as one would write it; empty means unset. */
export const CONFIG_DEFAULTS = {
  HTTP_HOST: '127.0.0.1',
  HTTP_PORT: '8080',
  HTTPS_PORT: '8443',
  TLS_CERT: '',
  TLS_KEY: '',
  TRUSTED_PROXIES: '',
  METRICS_PORT: '9464',
  STOP_DELAY_S: '0',
  DATA_DIR: './data',
  DATABASE_URL: '',
  DATABASE_PATIENCE_S: '60',
  SECRET_KEY: '',
  SECRET_KEY_FILE: '',
  LOG_LEVEL: 'info',
  PRICES: DEFAULT_PRICES,
  REFUND_UNDELIVERED: 'no',
  RECEIPT_GRACE_S: '3600',
  RETENTION_DAYS: '90',
  ACCEPT_LINGER_MS: '5',
  CALLBACK_ALLOW: '',
  CALLBACK_CONCURRENCY: '256',
  CALLBACK_CONCURRENCY_PER_HOST: '32',
  VOICE_PRICES: DEFAULT_VOICE_PRICES,
  VOICE_ALLOWED_PREFIXES: '886',
  RING_TIMEOUT_S: '30',
  CALLS_PER_ACCOUNT: '200',
  CALLS_PER_SECOND_PER_ACCOUNT: '50',
  SIP_HOST: '127.0.0.1',
  SIP_PORT: '0',
  SIP_PUBLIC_ADDRESS: '',
  RTP_PORTS: '20000-29999',
  SPEECH_COMMAND: '',
  SPEECH_URL: '',
  SPEECH_CACHE_MB: '64',
  SIMULATOR: '',
  SANDBOX_PUBLIC: 'no',
  SMSC_PORT: '2775',
  TELEPHONE_PORT: '5062',
  SIMULATOR_LATENCY_MS: '0',
  SIMULATOR_RECEIPT_DELAY_MS: '200',
  SIMULATOR_THROTTLE: '0',
  SIMULATOR_ERROR_RATE: '0',
} as const;

export type ConfigVariable = keyof typeof CONFIG_DEFAULTS;

type Reader = VariableReader<ConfigVariable>;

export interface Config {
  readonly httpHost: string;
  /** Ports: 0 takes any free one. */
  readonly httpPort: number;
  readonly httpsPort: number | 'off';
  /** Absent: a self-signed certificate is made. */
  readonly tls: { readonly certificatePath: string; readonly keyPath: string } | undefined;
  /** CIDRs whose X-Forwarded-For is believed. */
  readonly trustedProxies: readonly string[];
  readonly metricsPort: number | 'off';
  readonly stopDelayMs: number;
  /** Absolute. */
  readonly dataDir: string;
  /** May name several hosts; absent: the embedded PostgreSQL under `dataDir`. */
  readonly databaseUrl: string | undefined;
  /** How long a start waits for the server of `databaseUrl`. */
  readonly databasePatienceMs: number;
  /** What `base/secret-keys.ts` takes: the first one seals. Empty: none was given. */
  readonly secretKeys: readonly string[];
  readonly logLevel: LogLevel;
  readonly prices: PriceTable;
  readonly refundUndelivered: boolean;
  readonly receiptGraceSeconds: number;
  readonly retentionDays: number;
  readonly acceptLingerMs: number;
  /** CIDRs that callbacks may reach beside global addresses; holds loopback while the simulator is on. */
  readonly callbackAllow: readonly string[];
  readonly callbackConcurrency: number;
  readonly callbackConcurrencyPerHost: number;
  readonly voice: VoiceConfig;
  readonly sandboxPublic: boolean;
  readonly simulator: SimulatorConfig;
}

export interface VoiceConfig {
  readonly tariffs: TariffTable;
  /** Digits with country code; an empty one allows every number. */
  readonly allowedPrefixes: readonly string[];
  readonly ringTimeoutMs: number;
  /** At once, on all nodes. */
  readonly callsPerAccount: number;
  readonly callsPerSecondPerAccount: number;
  /** IP address for SIP and RTP. */
  readonly bindAddress: string;
  readonly sipPort: number;
  readonly publicAddress: string | undefined;
  readonly rtpPorts: { readonly first: number; readonly last: number };
  /** Neither: eSpeak NG. */
  readonly speechCommand: string | undefined;
  readonly speechUrl: string | undefined;
  readonly speechCacheBytes: number;
}

export interface SimulatorConfig {
  readonly enabled: boolean;
  readonly smscPort: number;
  readonly telephonePort: number;
  readonly latencyMs: number;
  readonly receiptDelayMs: number;
  /** Segments a second over which it answers ESME_RTHROTTLED; 0 never does. */
  readonly throttleSegmentsPerSecond: number;
  /** Share of submits that it refuses, 0 to 1. */
  readonly errorRate: number;
}

export type LoadedConfig = { ok: true; config: Config } | { ok: false; mistakes: string[] };

const LOOPBACK = ['127.0.0.0/8', '::1/128'];
const MAX_PORT = 65_535;
const DAY_SECONDS = 86_400;
/** One host, or several with commas; a socket directory comes as ?host=. Whether it answers is seen when connecting. */
const DATABASE_URL_SHAPE = /^postgres(?:ql)?:\/\/(?:[^@/\s]+@)?(?:[^,/\s?@]+(?:,[^,/\s?@]+)*)?\/[^/\s?]+(?:\?\S*)?$/;

/**
 * Reads and checks `env` and ignores unknown variables. On disk it checks that the TLS files exist and reads the key
 * file.
 */
export function loadConfig(env: NodeJS.ProcessEnv = process.env): LoadedConfig {
  const reader: Reader = new VariableReader(env, CONFIG_DEFAULTS);
  const databaseUrl = readDatabaseUrl(reader);
  const enabled = reader.isSet('SIMULATOR') ? reader.boolean('SIMULATOR') : databaseUrl === undefined;
  const callbackAllow = [...reader.networks('CALLBACK_ALLOW'), ...(enabled ? LOOPBACK : [])];
  const config: Config = {
    httpHost: readHost(reader),
    httpPort: reader.port('HTTP_PORT'),
    httpsPort: reader.portOrOff('HTTPS_PORT'),
    tls: readTls(reader),
    trustedProxies: reader.networks('TRUSTED_PROXIES'),
    metricsPort: reader.portOrOff('METRICS_PORT'),
    stopDelayMs: reader.integer('STOP_DELAY_S', 0, 60) * 1000,
    dataDir: resolve(reader.text('DATA_DIR')),
    databaseUrl,
    databasePatienceMs: reader.integer('DATABASE_PATIENCE_S', 0, 3_600) * 1000,
    secretKeys: readSecretKeys(reader),
    logLevel: readLogLevel(reader),
    prices: readPrices(reader),
    refundUndelivered: reader.boolean('REFUND_UNDELIVERED'),
    receiptGraceSeconds: reader.integer('RECEIPT_GRACE_S', 0, 30 * DAY_SECONDS),
    retentionDays: reader.integer('RETENTION_DAYS', 4, 3_650),
    acceptLingerMs: reader.integer('ACCEPT_LINGER_MS', 0, 1_000),
    callbackAllow: [...new Set(callbackAllow)],
    callbackConcurrency: reader.integer('CALLBACK_CONCURRENCY', 1, 10_000),
    callbackConcurrencyPerHost: reader.integer('CALLBACK_CONCURRENCY_PER_HOST', 1, 10_000),
    voice: readVoice(reader),
    sandboxPublic: reader.boolean('SANDBOX_PUBLIC'),
    simulator: {
      enabled,
      smscPort: reader.port('SMSC_PORT'),
      telephonePort: reader.port('TELEPHONE_PORT'),
      latencyMs: reader.integer('SIMULATOR_LATENCY_MS', 0, 3_600_000),
      receiptDelayMs: reader.integer('SIMULATOR_RECEIPT_DELAY_MS', 0, 3_600_000),
      throttleSegmentsPerSecond: reader.integer('SIMULATOR_THROTTLE', 0, 1_000_000),
      errorRate: reader.share('SIMULATOR_ERROR_RATE'),
    },
  };
  checkTogether(config, reader);
  return reader.mistakes.length > 0
    ? { ok: false, mistakes: reader.mistakes }
    : { ok: true, config: freezeDeep(config) };
}

/** Rules between variables; those of one variable are checked where it is read. */
function checkTogether(config: Config, reader: Reader): void {
  if (config.simulator.enabled && !config.sandboxPublic && !isLoopback(config.httpHost)) {
    reader.refuse(
      'HTTP_HOST',
      'while the simulator is on, its demo accounts have a known password: only a loopback address is allowed, or SANDBOX_PUBLIC=yes',
    );
  }
  const portUsers = new Map<number, ConfigVariable>();
  const ports: [ConfigVariable, number | 'off'][] = [
    ['HTTP_PORT', config.httpPort],
    ['HTTPS_PORT', config.httpsPort],
    ['METRICS_PORT', config.metricsPort],
    ['SMSC_PORT', config.simulator.enabled ? config.simulator.smscPort : 'off'],
    ['TELEPHONE_PORT', config.simulator.enabled ? config.simulator.telephonePort : 'off'],
    ['SIP_PORT', config.voice.sipPort],
  ];
  for (const [name, port] of ports) {
    // A port that could not be read counts as 0 and was named already.
    if (port === 'off' || port === 0) continue;
    const other = portUsers.get(port);
    if (other !== undefined) reader.refuse(name, `is the same port as ${other}`);
    portUsers.set(port, name);
  }
}

function readHost(reader: Reader): string {
  const host = reader.text('HTTP_HOST');
  const isName = /^[a-z0-9]([a-z0-9.-]*[a-z0-9])?$/i.test(host) && !/^[\d.]+$/.test(host);
  if (isIP(host) === 0 && !isName) reader.refuse('HTTP_HOST', 'is neither an address nor a host name');
  return host;
}

function isLoopback(host: string): boolean {
  if (host.toLowerCase() === 'localhost') return true;
  return ipaddr.isValid(host) && ipaddr.process(host).range() === 'loopback';
}

function readDatabaseUrl(reader: Reader): string | undefined {
  if (!reader.isSet('DATABASE_URL')) return undefined;
  const url = reader.text('DATABASE_URL');
  // The value holds a password and is never repeated.
  if (!DATABASE_URL_SHAPE.test(url)) {
    reader.refuseSilently('DATABASE_URL', 'must look like postgres://user:password@host:5432/database');
  }
  return url;
}

function readTls(reader: Reader): Config['tls'] {
  const names = ['TLS_CERT', 'TLS_KEY'] as const;
  const [certificate, key] = names.map((name) => (reader.isSet(name) ? reader.text(name) : undefined));
  if (certificate === undefined && key === undefined) return undefined;
  for (const name of names) {
    if (!reader.isSet(name)) reader.refuseSilently(name, 'is missing: TLS_CERT and TLS_KEY come together');
    else if (!isReadable(reader.text(name))) reader.refuse(name, 'cannot be read');
  }
  return { certificatePath: resolve(certificate ?? ''), keyPath: resolve(key ?? '') };
}

function isReadable(path: string): boolean {
  try {
    accessSync(path, constants.R_OK);
    return true;
  } catch {
    return false;
  }
}

function readLogLevel(reader: Reader): LogLevel {
  const text = reader.text('LOG_LEVEL').toLowerCase();
  const level = LOG_LEVELS.find((known) => known === text);
  if (level === undefined) reader.refuse('LOG_LEVEL', `must be one of ${LOG_LEVELS.join(', ')}`);
  return level ?? 'info';
}

function readPrices(reader: Reader): PriceTable {
  const prices = parsePrices(reader.text('PRICES'));
  if (!('error' in prices)) return prices;
  reader.refuse('PRICES', prices.error);
  return { byPrefix: new Map(), longestPrefixDigits: 0, otherwise: 0 };
}

const MIB = 1_048_576;
/** Each call takes an even port. */
const MIN_RTP_PORTS = 2;
const FIRST_UNPRIVILEGED_PORT = 1_024;

function readVoice(reader: Reader): VoiceConfig {
  if (reader.isSet('SPEECH_COMMAND') && reader.isSet('SPEECH_URL')) {
    reader.refuseSilently('SPEECH_URL', 'and SPEECH_COMMAND exclude each other');
  }
  return {
    tariffs: readTariffs(reader),
    allowedPrefixes: readAllowedPrefixes(reader),
    ringTimeoutMs: reader.integer('RING_TIMEOUT_S', 1, 180) * 1000,
    callsPerAccount: reader.integer('CALLS_PER_ACCOUNT', 1, 10_000),
    callsPerSecondPerAccount: reader.integer('CALLS_PER_SECOND_PER_ACCOUNT', 1, 10_000),
    bindAddress: readAddress(reader, 'SIP_HOST') ?? '127.0.0.1',
    sipPort: reader.port('SIP_PORT'),
    publicAddress: readAddress(reader, 'SIP_PUBLIC_ADDRESS'),
    rtpPorts: readRtpPorts(reader),
    speechCommand: reader.isSet('SPEECH_COMMAND') ? reader.text('SPEECH_COMMAND') : undefined,
    speechUrl: readSpeechUrl(reader),
    speechCacheBytes: reader.integer('SPEECH_CACHE_MB', 0, 10_000) * MIB,
  };
}

function readTariffs(reader: Reader): TariffTable {
  const tariffs = parseVoicePrices(reader.text('VOICE_PRICES'));
  if (!('error' in tariffs)) return tariffs;
  reader.refuse('VOICE_PRICES', tariffs.error);
  return { byPrefix: new Map(), longestPrefixDigits: 0, otherwise: { points: 0, unitSeconds: 1 } };
}

function readAllowedPrefixes(reader: Reader): string[] {
  const prefixes = parseAllowedPrefixes(reader.text('VOICE_ALLOWED_PREFIXES'));
  if (!('error' in prefixes)) return prefixes;
  reader.refuse('VOICE_ALLOWED_PREFIXES', prefixes.error);
  return [];
}

function readAddress(reader: Reader, name: 'SIP_HOST' | 'SIP_PUBLIC_ADDRESS'): string | undefined {
  const text = reader.text(name);
  if (text === '') return undefined;
  if (isIP(text) === 0) reader.refuse(name, 'is not an IP address');
  return text;
}

function readRtpPorts(reader: Reader): VoiceConfig['rtpPorts'] {
  const text = reader.text('RTP_PORTS');
  const [first, last] = (/^(\d{1,5})-(\d{1,5})$/.exec(text) ?? []).slice(1).map(Number);
  const inRange = first !== undefined && last !== undefined && first >= FIRST_UNPRIVILEGED_PORT && last <= MAX_PORT;
  if (inRange && last - first + 1 >= MIN_RTP_PORTS) return { first, last };
  reader.refuse('RTP_PORTS', `must be a range such as 20000-29999, from ${FIRST_UNPRIVILEGED_PORT} to ${MAX_PORT}`);
  return { first: FIRST_UNPRIVILEGED_PORT, last: MAX_PORT };
}

function readSpeechUrl(reader: Reader): string | undefined {
  if (!reader.isSet('SPEECH_URL')) return undefined;
  const url = URL.parse(reader.text('SPEECH_URL'));
  // The value may hold a key and is not repeated.
  if (url === null || !/^https?:$/.test(url.protocol)) reader.refuseSilently('SPEECH_URL', 'is no http or https URL');
  return reader.text('SPEECH_URL');
}

function freezeDeep<T extends object>(value: T): T {
  for (const inner of Object.values(value)) {
    if (typeof inner === 'object' && inner !== null) freezeDeep(inner);
  }
  return Object.freeze(value);
}
