/**
 * How long one account's single messages take to the operator while another account pours in 100,000. The operator
 * takes 1,000 a second, so that the flood stands in the queue for longer than is measured.
 */
import { setTimeout as pause } from 'node:timers/promises';
import type { RunOptions } from './accept.ts';
import { Instants, NOT_KEPT_FROM, type Spread, spreadBetween } from './instants.ts';
import type { LoadOrder, LoadReport } from './load-process.ts';
import type { OperatorOrder, OperatorReport } from './operator-process.ts';
import { Peer } from './peer.ts';
import { type PlatformUnderTest, startPlatformUnderTest } from './platform-under-test.ts';
import { machineTicks, peakResidentMiB, stolenShare } from './processor-time.ts';
import type { SteadyOrder, SteadyReport } from './steady-process.ts';

const FLOOD = 100_000;
const FLOOD_CONNECTIONS = 64;
const OPERATOR_PER_SECOND = 1_000;
const SINGLES_PER_SECOND = 10;
const SINGLE_CONNECTIONS = 8;
const WARM_UP_MS = 5_000;
/** After the last single: it is at the operator, or counts as never sent. */
const LAST_SINGLES_MS = 2_000;
const LOOK_MS = 20;

export interface FairnessResult {
  /** A single's request written → its submit_sm read by the operator. */
  readonly submit: Spread;
  /** The same for the singles that came while the flood was still pouring in, and for those after it. */
  readonly whilePouring: Spread;
  readonly whileWaiting: Spread;
  /** A single's request → its answer. */
  readonly answer: Spread;
  /** Singles that were not at the operator 2 s after the last one. */
  readonly notSent: number;
  readonly floodAccepted: number;
  readonly floodPerSecond: number;
  /** Of the flood, when the measurement ended. */
  readonly floodWaiting: number;
  readonly operatorPerSecond: number;
  readonly others: Readonly<Record<string, number>>;
  readonly rssMiB: number;
  readonly stolen: number;
}

interface Bench {
  readonly platform: PlatformUnderTest;
  readonly flood: Peer<LoadOrder, LoadReport>;
  readonly singles: Peer<SteadyOrder, SteadyReport>;
  readonly operator: Peer<OperatorOrder, OperatorReport>;
  readonly signal: AbortSignal;
  /** What the operator told last. */
  readonly taken: () => number;
}

/** Rejects when something does not come up, or when the signal is aborted; leaves nothing behind either way. */
export async function benchFairness(options: RunOptions): Promise<FairnessResult> {
  const { signal, profileTo, seconds } = options;
  const flood = new Peer<LoadOrder, LoadReport>(new URL('./load-process.ts', import.meta.url));
  const singles = new Peer<SteadyOrder, SteadyReport>(new URL('./steady-process.ts', import.meta.url));
  const operator = new Peer<OperatorOrder, OperatorReport>(new URL('./operator-process.ts', import.meta.url));
  let taken = 0;
  operator.onReport((report) => {
    if (report.kind === 'count') ({ taken } = report);
  });
  let platform: PlatformUnderTest | undefined;
  try {
    operator.order({ kind: 'listen' });
    const { port } = await operator.report('listening', signal);
    const operatorPlan = { operatorUp: true, operatorPort: port, throttle: OPERATOR_PER_SECOND };
    platform = await startPlatformUnderTest({ accounts: 2, ...operatorPlan, profileTo, signal });
    const bench = { platform, flood, singles, operator, signal, taken: () => taken };
    return await platform.during(measure(bench, seconds));
  } finally {
    await flood.stop();
    await singles.stop();
    await platform?.stop();
    await operator.stop();
  }
}

async function measure(bench: Bench, seconds: number): Promise<FairnessResult> {
  const { platform, flood, singles, operator, signal, taken } = bench;
  const { host, port } = platform;
  const [flooding, single] = platform.accounts.map((account) => ({ ...account, drurl: undefined }));
  if (flooding === undefined || single === undefined) throw new Error('two accounts are needed');
  const pace = { perSecond: SINGLES_PER_SECOND, connections: SINGLE_CONNECTIONS };
  singles.order({ kind: 'start', plan: { host, port, customers: [single], ...pace } });
  await pause(WARM_UP_MS, undefined, { signal });
  const first = await singlesSent(bench);
  const start = { atMs: performance.now(), taken: taken(), ticks: machineTicks() };
  const limits = { connections: FLOOD_CONNECTIONS, maxOutstanding: undefined, maxRequests: FLOOD };
  const beyond = { firstRecipient: NOT_KEPT_FROM };
  flood.order({ kind: 'start', plan: { kind: 'send', host, port, customers: [flooding], ...limits, ...beyond } });
  const poured = await untilPoured(bench, start.atMs + seconds * 1_000);
  const pouredSingles = (await singlesSent(bench)) - first;
  await pause(Math.max(0, start.atMs + seconds * 1_000 - performance.now()), undefined, { signal });
  const count = (await singlesSent(bench)) - first;
  const operatorPerSecond = (taken() - start.taken) / ((performance.now() - start.atMs) / 1_000);
  const floodWaiting = poured.accepted - (taken() - start.taken - count);
  const stolen = stolenShare(start.ticks, machineTicks());
  singles.order({ kind: 'pause' });
  await pause(LAST_SINGLES_MS, undefined, { signal });
  flood.order({ kind: 'stop' });
  const { result: flooded } = await flood.report('result', signal);
  singles.order({ kind: 'end' });
  const { result } = await singles.report('result', signal);
  operator.order({ kind: 'result' });
  const submitted = new Instants((await operator.report('result', signal)).submitted);
  const requested = new Instants(result.requested);
  const measured = Array.from({ length: count }, (_, index) => first + index);
  const submit = spreadBetween(requested, submitted, measured);
  return {
    submit,
    whilePouring: spreadBetween(requested, submitted, measured.slice(0, pouredSingles)),
    whileWaiting: spreadBetween(requested, submitted, measured.slice(pouredSingles)),
    answer: spreadBetween(requested, new Instants(result.accepted), measured),
    notSent: count - submit.count,
    floodAccepted: flooded.good,
    floodPerSecond: Math.round(poured.accepted / (poured.durationMs / 1_000)),
    floodWaiting: Math.max(0, floodWaiting),
    operatorPerSecond: Math.round(operatorPerSecond),
    others: { ...flooded.others, ...result.others },
    rssMiB: peakResidentMiB(platform.processId),
    stolen,
  };
}

async function singlesSent({ singles, signal }: Bench): Promise<number> {
  singles.order({ kind: 'count' });
  return (await singles.report('count', signal)).requests;
}

/** Until the whole flood is accepted, or the time is over. */
async function untilPoured(
  { flood, signal }: Bench,
  deadlineMs: number,
): Promise<{ accepted: number; durationMs: number }> {
  const startedMs = performance.now();
  for (;;) {
    flood.order({ kind: 'count' });
    const { good } = await flood.report('count', signal);
    const nowMs = performance.now();
    if (good >= FLOOD || nowMs >= deadlineMs) return { accepted: good, durationMs: nowMs - startedMs };
    await pause(LOOK_MS, undefined, { signal });
  }
}
