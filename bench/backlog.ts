/**
 * Whether a million waiting messages slow anything down: acceptance with the operator all but closed, then the dispatch
 * of what was accepted, without a backlog and with one, in turns (without, with, with, without) on one platform. Of the
 * backlog only what the fair order puts between the others goes out.
 */
import { DELIVERED_MESSAGES } from './callback-sink.ts';
import { setTimeout as pause } from 'node:timers/promises';
import type { RunOptions } from './accept.ts';
import { BacklogRows } from './backlog-rows.ts';
import { flushTimes } from './disk.ts';
import { NOT_KEPT_FROM } from './instants.ts';
import type { LoadOrder, LoadReport } from './load-process.ts';
import type { OperatorOrder, OperatorReport } from './operator-process.ts';
import { Peer } from './peer.ts';
import { OPERATOR_LINKS, type PlatformUnderTest, startPlatformUnderTest } from './platform-under-test.ts';
import { forgetPeak, machineTicks, peakResidentMiB, processorSeconds, stolenShare } from './processor-time.ts';
import type { SinkOrder, SinkReport } from './sink-process.ts';

const BACKLOG = 1_000_000;
const BACKLOG_FROM = NOT_KEPT_FROM;
const LOAD_FROM = NOT_KEPT_FROM + 2 * BACKLOG;
/** Those that ask for something, and the one whose messages wait. */
const ACCOUNTS = 8;
const CONNECTIONS = 256;
const TURNS = ['without', 'with', 'with', 'without'] as const;
const WARM_UP_MS = 3_000;
const OPEN_PER_SECOND = 100_000;
const CLOSED_PER_SECOND = 1;
/** Of a turn's messages: the first come while the links bind, the last while they end. */
const FROM_SHARE = 0.1;
const TO_SHARE = 0.9;
const LOOK_MS = 20;
/** Nothing has come for so long: everything is done. */
const QUIET_MS = 700;
const STUCK_MS = 20_000;
/** The number of recipients that a turn may have. */
const TURN_RECIPIENTS = 2_000_000;

type Turn = (typeof TURNS)[number];

export interface BacklogSide {
  readonly acceptedPerSecond: number;
  readonly dispatchedPerSecond: number;
  /** Processor time of an accepted and of a dispatched message. */
  readonly acceptMicroseconds: Readonly<Record<'platform' | 'postgres', number>>;
  readonly dispatchMicroseconds: Readonly<Record<'platform' | 'postgres', number>>;
  /** The most that the platform's process had resident. */
  readonly rssMiB: number;
}

export interface BacklogResult {
  readonly without: BacklogSide;
  readonly with: BacklogSide;
  /** Each turn by itself: without, with, with, without. */
  readonly turns: readonly TurnResult[];
  readonly acceptRatio: number;
  readonly dispatchRatio: number;
  /** Waiting when the first and when the last turn with a backlog ended. */
  readonly waiting: readonly number[];
  readonly others: Readonly<Record<string, number>>;
  readonly stolen: number;
}

export interface TurnResult {
  readonly turn: Turn;
  readonly acceptedPerSecond: number;
  readonly dispatchedPerSecond: number;
  /** The disk's own flush of a page before the turn, half of them within. */
  readonly flushP50Ms: number;
}

interface Phase {
  messages: number;
  ms: number;
  platformSeconds: number;
  postgresSeconds: number;
}

interface Side {
  readonly accept: Phase;
  readonly dispatch: Phase;
  rssMiB: number;
}

interface Bench {
  readonly platform: PlatformUnderTest;
  readonly load: Peer<LoadOrder, LoadReport>;
  readonly operator: Peer<OperatorOrder, OperatorReport>;
  readonly sink: Peer<SinkOrder, SinkReport>;
  readonly signal: AbortSignal;
  /** What the operator and the sink told last. */
  readonly seen: { taken: number; binds: number; delivered: number };
  readonly others: Record<string, number>;
}

/** Rejects when something does not come up, or when the signal is aborted; leaves nothing behind either way. */
export async function benchBacklog(options: RunOptions): Promise<BacklogResult> {
  const { signal, profileTo, seconds } = options;
  const load = new Peer<LoadOrder, LoadReport>(new URL('./load-process.ts', import.meta.url));
  const operator = new Peer<OperatorOrder, OperatorReport>(new URL('./operator-process.ts', import.meta.url));
  const sink = new Peer<SinkOrder, SinkReport>(new URL('./sink-process.ts', import.meta.url));
  const seen = { taken: 0, binds: 0, delivered: 0 };
  operator.onReport((report) => {
    if (report.kind === 'count') Object.assign(seen, { taken: report.taken, binds: report.binds });
  });
  sink.onReport((report) => {
    if (report.kind === 'count') seen.delivered = report.delivered;
  });
  let platform: PlatformUnderTest | undefined;
  try {
    operator.order({ kind: 'listen' });
    const { port } = await operator.report('listening', signal);
    const operatorPlan = { operatorUp: true, operatorPort: port, throttle: CLOSED_PER_SECOND };
    platform = await startPlatformUnderTest({ accounts: ACCOUNTS + 1, ...operatorPlan, profileTo, signal });
    const bench: Bench = { platform, load, operator, sink, signal, seen, others: {} };
    return await platform.during(measure(bench, seconds));
  } finally {
    await load.stop();
    await platform?.stop();
    await sink.stop();
    await operator.stop();
  }
}

async function measure(bench: Bench, seconds: number): Promise<BacklogResult> {
  const { platform, sink, signal } = bench;
  const backlog = new BacklogRows(platform.database);
  sink.order({ kind: 'listen', ports: ACCOUNTS + 1, plan: DELIVERED_MESSAGES });
  const { ports } = await sink.report('listening', signal);
  const drurls = ports.map((port) => `http://127.0.0.1:${port}/receipts`);
  const sides: Record<Turn, Side> = { without: newSide(), with: newSide() };
  const waiting: number[] = [];
  const turns: TurnResult[] = [];
  const ticks = machineTicks();
  await runTurn(bench, { drurls, number: 0, acceptMs: WARM_UP_MS, side: newSide() });
  let stands: Turn = 'without';
  for (const [index, turn] of TURNS.entries()) {
    if (turn !== stands) {
      const username = platform.accounts.at(-1)?.username ?? '';
      const rows = { username, messages: BACKLOG, firstRecipient: BACKLOG_FROM, drurl: drurls.at(-1) ?? '', signal };
      if (turn === 'with') await backlog.add(rows);
      else await backlog.drop();
      stands = turn;
    }
    await backlog.settleDown();
    forgetPeak(platform.processId);
    const side = sides[turn];
    const alone = newSide();
    const { p50Ms: flushP50Ms } = await flushTimes();
    await runTurn(bench, { drurls, number: index + 1, acceptMs: (seconds * 1_000) / TURNS.length, side: alone });
    const { acceptedPerSecond, dispatchedPerSecond } = sideResult(alone);
    turns.push({ turn, acceptedPerSecond, dispatchedPerSecond, flushP50Ms });
    for (const phase of ['accept', 'dispatch'] as const) addUp(side[phase], alone[phase]);
    side.rssMiB = Math.max(side.rssMiB, peakResidentMiB(platform.processId));
    if (turn === 'with') waiting.push(await backlog.waiting());
  }
  const without = sideResult(sides.without);
  const withIt = sideResult(sides.with);
  return {
    without,
    with: withIt,
    turns,
    acceptRatio: Number((withIt.acceptedPerSecond / without.acceptedPerSecond).toFixed(3)),
    dispatchRatio: Number((withIt.dispatchedPerSecond / without.dispatchedPerSecond).toFixed(3)),
    waiting,
    others: bench.others,
    stolen: stolenShare(ticks, machineTicks()),
  };
}

/** Accepts for so long while the operator is all but closed, then opens it until as many messages have gone out. */
async function runTurn(
  bench: Bench,
  turn: { drurls: readonly string[]; number: number; acceptMs: number; side: Side },
): Promise<void> {
  const { platform, load, signal, seen, others } = bench;
  const { host, port } = platform;
  const customers = platform.accounts.slice(0, ACCOUNTS).map((account, index) => ({
    ...account,
    drurl: turn.drurls[index],
  }));
  const limits = { connections: CONNECTIONS, maxOutstanding: undefined };
  const { taken } = seen;
  const before = processorTimes(platform);
  const firstRecipient = LOAD_FROM + turn.number * TURN_RECIPIENTS;
  load.order({ kind: 'start', plan: { kind: 'send', host, port, customers, ...limits, firstRecipient } });
  await pause(turn.acceptMs, undefined, { signal });
  load.order({ kind: 'stop' });
  const { result } = await load.report('result', signal);
  addTo(turn.side.accept, before, processorTimes(platform), result.good, result.durationMs);
  for (const [kind, count] of Object.entries(result.others)) others[kind] = (others[kind] ?? 0) + count;
  await setThrottle(bench, OPEN_PER_SECOND);
  await untilTaken(bench, taken + result.good * FROM_SHARE);
  const start = { atMs: performance.now(), taken: seen.taken, used: processorTimes(platform) };
  await untilTaken(bench, taken + result.good * TO_SHARE);
  const sent = seen.taken - start.taken;
  addTo(turn.side.dispatch, start.used, processorTimes(platform), sent, performance.now() - start.atMs);
  await untilTaken(bench, taken + result.good);
  await setThrottle(bench, CLOSED_PER_SECOND);
  await untilQuiet(bench);
}

/** Resolves when the links are bound under the new settings. */
async function setThrottle({ platform, seen, signal }: Bench, perSecond: number): Promise<void> {
  const binds = seen.binds + OPERATOR_LINKS;
  await platform.setThrottle(perSecond);
  const deadlineMs = performance.now() + STUCK_MS;
  while (seen.binds < binds) {
    if (performance.now() > deadlineMs) throw new Error('the platform did not bind again');
    await pause(LOOK_MS, undefined, { signal });
  }
}

async function untilTaken({ seen, signal }: Bench, total: number): Promise<void> {
  let last = seen.taken;
  let deadlineMs = performance.now() + STUCK_MS;
  while (seen.taken < total) {
    if (performance.now() > deadlineMs) throw new Error(`the dispatch stands still at ${seen.taken} of ${total}`);
    await pause(LOOK_MS, undefined, { signal });
    if (seen.taken !== last) deadlineMs = performance.now() + STUCK_MS;
    last = seen.taken;
  }
}

/** Until the last receipts and callbacks have come; the one message a second that a closed operator gets does not count. */
async function untilQuiet({ seen, signal }: Bench): Promise<void> {
  const deadlineMs = performance.now() + STUCK_MS;
  for (let before = -1; performance.now() < deadlineMs; ) {
    if (seen.delivered - before <= CLOSED_PER_SECOND && before >= 0) return;
    before = seen.delivered;
    await pause(QUIET_MS, undefined, { signal });
  }
}

function processorTimes(platform: PlatformUnderTest): { platform: number; postgres: number } {
  return {
    platform: processorSeconds(platform.processId, { children: false }),
    postgres: processorSeconds(platform.postgresProcessId, { children: true }),
  };
}

type Used = ReturnType<typeof processorTimes>;

function newSide(): Side {
  const phase = (): Phase => ({ messages: 0, ms: 0, platformSeconds: 0, postgresSeconds: 0 });
  return { accept: phase(), dispatch: phase(), rssMiB: 0 };
}

function addTo(phase: Phase, before: Used, after: Used, messages: number, ms: number): void {
  phase.messages += messages;
  phase.ms += ms;
  phase.platformSeconds += after.platform - before.platform;
  phase.postgresSeconds += after.postgres - before.postgres;
}

function addUp(sum: Phase, phase: Phase): void {
  sum.messages += phase.messages;
  sum.ms += phase.ms;
  sum.platformSeconds += phase.platformSeconds;
  sum.postgresSeconds += phase.postgresSeconds;
}

function sideResult({ accept, dispatch, rssMiB }: Side): BacklogSide {
  const each = ({ messages, platformSeconds, postgresSeconds }: Phase) => ({
    platform: Math.round((platformSeconds * 1e6) / Math.max(1, messages)),
    postgres: Math.round((postgresSeconds * 1e6) / Math.max(1, messages)),
  });
  return {
    acceptedPerSecond: Math.round((accept.messages * 1_000) / Math.max(1, accept.ms)),
    dispatchedPerSecond: Math.round((dispatch.messages * 1_000) / Math.max(1, dispatch.ms)),
    acceptMicroseconds: each(accept),
    dispatchMicroseconds: each(dispatch),
    rssMiB,
  };
}
