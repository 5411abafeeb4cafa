/**
 * How many calls a second are set up, with busy callees and with ones that answer and hear a second of sound, how soon
 * their end is told, and how evenly sound leaves and arrives while 500 calls talk.
 */
import { setTimeout as pause } from 'node:timers/promises';
import { parseTrunkSettings } from '../src/domain/trunk-settings.ts';
import { addTrunk } from '../src/store/trunks.ts';
import type { RunOptions } from './accept.ts';
import { CallProbe } from './call-probe.ts';
import { type CallPlan, CallRun, type CallSite, type CallVerdict, coreShares, microsecondsEach } from './call-run.ts';
import type { ProcessSeconds } from './call-run.ts';
import { Latencies } from './latencies.ts';
import { startPlatformUnderTest } from './platform-under-test.ts';
import { residentMiB } from './processor-time.ts';
import { Telephone } from './telephone.ts';

/** Each with a callback server of its own, as customers have. */
const ACCOUNTS = 8;
const BUSY_NUMBER = '0900000101';
/** Fewer than the 500 that a node carries, so that calls do not wait for each other. */
const BUSY_AT_ONCE = 300;
const ANSWERED_AT_ONCE = 470;
const TALKING_AT_ONCE = 500;
const WARM_UP_MS = 3_000;
/** The platform reads its trunks once a second. */
const TRUNK_SEEN_MS = 2_000;
const SHORT_RECORDING_SECONDS = 1;
/** Until all talk, and a rest before the first one hangs up. */
const ALL_TALK_WITHIN_MS = 30_000;
const TALK_MARGIN_SECONDS = 12;
const LOOK_EVERY_MS = 100;
/** A recording has 600 at the most. */
const MAX_TALK_SECONDS = 500;
const PACKETS_PER_SECOND = 50;
const UNLIMITED = '10000';

export interface SetUpResult extends CallVerdict {
  /** Calls that came to their end, callback included. */
  readonly perSecond: number;
  /** Processor time of a call. */
  readonly microsecondsEach: ProcessSeconds;
}

export interface AnsweredResult extends SetUpResult {
  /** From the BYE, as the telephone sees it, to the callback at the customer's server. */
  readonly callbackP50Ms: number;
  readonly callbackP99Ms: number;
  /** From the BYE to the first answer of the query that tells the end; asked every 5 ms. */
  readonly queryP50Ms: number;
  readonly queryP99Ms: number;
  readonly queried: number;
  readonly queriesFailed: number;
}

export interface TalkingResult extends CallVerdict {
  readonly calls: number;
  /** From one packet of a call to its next, as the platform's RTP thread sent them. */
  readonly sentP99Ms: number;
  readonly sentP999Ms: number;
  readonly sentMaxMs: number;
  /** The same as they arrived in the telephone's process. */
  readonly arrivedP50Ms: number;
  readonly arrivedP99Ms: number;
  readonly arrivedP999Ms: number;
  readonly packets: number;
  /** Missing at the telephone: between the first and the last of a call, or of the recording's end. */
  readonly packetsLost: number;
  /** In percent of one core. */
  readonly processorPercent: ProcessSeconds;
  readonly platformMiB: number;
}

export interface CallsResult {
  readonly busy: SetUpResult;
  readonly answered: AnsweredResult;
  readonly talking: TalkingResult;
}

/** Rejects when something does not come up, or when the signal is aborted; leaves nothing behind either way. */
export async function benchCalls(options: RunOptions): Promise<CallsResult> {
  const { signal, profileTo, seconds } = options;
  const telephone = new Telephone(signal);
  try {
    const environment = { CALLS_PER_ACCOUNT: UNLIMITED, CALLS_PER_SECOND_PER_ACCOUNT: UNLIMITED };
    const plan = { accounts: ACCOUNTS, operatorUp: false, profileTo, environment, signal };
    const port = await telephone.listen();
    const platform = await startPlatformUnderTest(plan);
    try {
      const site = { platform, telephone, signal };
      await makeTrunk(site, port);
      return await platform.during(measureAll(site, seconds));
    } finally {
      await platform.stop();
    }
  } finally {
    await telephone.stop();
  }
}

async function measureAll(site: CallSite, seconds: number): Promise<CallsResult> {
  return {
    busy: await measureBusy(site, seconds),
    answered: await measureAnswered(site, seconds),
    talking: await measureTalking(site, Math.min(seconds, MAX_TALK_SECONDS)),
  };
}

async function makeTrunk({ platform, signal }: CallSite, port: number): Promise<void> {
  const limits = { maxCalls: Number(UNLIMITED), callsPerSecond: Number(UNLIMITED) };
  const parsed = parseTrunkSettings({ host: '127.0.0.1', port, ...limits });
  if (!parsed.ok) throw new Error(parsed.mistakes.join('; '));
  await addTrunk(platform.database, { name: 'bench', enabled: true, settings: parsed.settings });
  await pause(TRUNK_SEEN_MS, undefined, { signal });
}

async function measureBusy(site: CallSite, seconds: number): Promise<SetUpResult> {
  const run = new CallRun(site, {
    recordingSeconds: SHORT_RECORDING_SECONDS,
    recipient: BUSY_NUMBER,
    state: 'Busy',
    maxOutstanding: BUSY_AT_ONCE,
  });
  try {
    const { rates, result } = await measureRates(site, run, seconds);
    return { ...rates, ...(await run.judge(result)).verdict };
  } finally {
    await run.stop();
  }
}

async function measureAnswered(site: CallSite, seconds: number): Promise<AnsweredResult> {
  const run = new CallRun(site, {
    recordingSeconds: SHORT_RECORDING_SECONDS,
    recipient: undefined,
    state: 'FarEnd',
    maxOutstanding: ANSWERED_AT_ONCE,
  });
  const probe = new CallProbe(site);
  try {
    const probing = probe.run();
    // When the rest fails first, nobody waits for it.
    probing.catch(() => {});
    const { rates, result } = await measureRates(site, run, seconds, () => probe.stop());
    await probing;
    const { verdict, arrivals } = await run.judge(result);
    const callbacks = new Latencies();
    for (const { phone, atMs } of arrivals) {
      const ended = site.telephone.ended.get(phone);
      if (ended !== undefined) callbacks.add(atMs - ended.atMs);
    }
    return {
      ...rates,
      ...verdict,
      callbackP50Ms: rounded(callbacks.quantileMs(0.5)),
      callbackP99Ms: rounded(callbacks.quantileMs(0.99)),
      queryP50Ms: rounded(probe.latencies.quantileMs(0.5)),
      queryP99Ms: rounded(probe.latencies.quantileMs(0.99)),
      queried: probe.answered,
      queriesFailed: probe.failed,
    };
  } finally {
    await run.stop();
  }
}

async function measureRates(site: CallSite, run: CallRun, seconds: number, onMeasured: () => void = () => {}) {
  const { signal } = site;
  await run.start();
  await pause(WARM_UP_MS, undefined, { signal });
  const start = await run.moment();
  await pause(seconds * 1_000, undefined, { signal });
  const end = await run.moment();
  onMeasured();
  const result = await run.drain();
  const perSecond = rounded((end.ended - start.ended) / ((end.atMs - start.atMs) / 1_000));
  return { rates: { perSecond, microsecondsEach: microsecondsEach(start, end) }, result };
}

async function measureTalking(site: CallSite, seconds: number): Promise<TalkingResult> {
  const { platform, telephone, signal } = site;
  const plan: CallPlan = {
    recordingSeconds: seconds + TALK_MARGIN_SECONDS,
    recipient: undefined,
    state: 'FarEnd',
    maxOutstanding: TALKING_AT_ONCE,
  };
  const run = new CallRun(site, plan);
  telephone.ended.clear();
  try {
    await run.start();
    await untilAllTalk(site);
    await readSentSpacing(platform.metricsUrl);
    telephone.measure();
    const start = await run.moment();
    await pause(seconds * 1_000, undefined, { signal });
    const end = await run.moment();
    const { spacing, packets } = await telephone.heard();
    const sent = await readSentSpacing(platform.metricsUrl);
    const platformMiB = residentMiB(platform.processId);
    const talking = await telephone.talking();
    const { verdict } = await run.judge(await run.drain());
    return {
      ...verdict,
      calls: talking,
      sentP99Ms: sent('0.99'),
      sentP999Ms: sent('0.999'),
      sentMaxMs: sent('1'),
      arrivedP50Ms: rounded(spacing.quantileMs(0.5)),
      arrivedP99Ms: rounded(spacing.quantileMs(0.99)),
      arrivedP999Ms: rounded(spacing.quantileMs(0.999)),
      packets,
      packetsLost: missingPackets(telephone, plan.recordingSeconds),
      processorPercent: coreShares(start, end),
      platformMiB,
    };
  } finally {
    await run.stop();
  }
}

async function untilAllTalk({ telephone, signal }: CallSite): Promise<void> {
  const deadlineMs = performance.now() + ALL_TALK_WITHIN_MS;
  for (;;) {
    const talking = await telephone.talking();
    if (talking === TALKING_AT_ONCE) return;
    if (performance.now() > deadlineMs) throw new Error(`only ${talking} of ${TALKING_AT_ONCE} calls talk`);
    await pause(LOOK_EVERY_MS, undefined, { signal });
  }
}

/** Of all calls that the telephone knows the end of. */
function missingPackets(telephone: Telephone, recordingSeconds: number): number {
  const whole = recordingSeconds * PACKETS_PER_SECOND;
  let missing = 0;
  for (const { packets, lost } of telephone.ended.values()) missing += lost + Math.max(0, whole - packets - lost);
  return missing;
}

/** Quantiles since it was read last, from the platform's metrics. */
async function readSentSpacing(metricsUrl: string): Promise<(quantile: string) => number> {
  const text = await (await fetch(metricsUrl)).text();
  return (quantile) => {
    const line = new RegExp(`^feige_rtp_spacing_seconds\\{quantile="${quantile}"\\} (\\S+)$`, 'm').exec(text);
    return rounded(Number(line?.[1]) * 1_000);
  };
}

function rounded(value: number): number {
  return Number(value.toFixed(2));
}
