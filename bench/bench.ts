/**
 * `npm run bench -- accept|pipeline|latency|backlog|fairness|voice [--seconds N] [--json]`: measures a platform of its own on a fresh embedded
 * PostgreSQL, prints a table and, with --json, one JSON object as the last line. Ends by itself, on Ctrl-C too, and
 * leaves no process and no file behind.
 */
import { Command, InvalidArgumentError, Option } from 'commander';
import { count, pairs } from '../src/cli/output.ts';
import { type Rows, sparse } from './rows.ts';
import { type AcceptResult, benchAccept, type RunOptions } from './accept.ts';
import { type BacklogResult, type BacklogSide, benchBacklog } from './backlog.ts';
import { benchFairness, type FairnessResult } from './fairness.ts';
import type { Spread } from './instants.ts';
import { benchLatency, type LatencyResult } from './latency.ts';
import { benchPipeline, type PipelineResult } from './pipeline.ts';
import { benchVoice } from './voice.ts';
import { voiceRows } from './voice-rows.ts';

const ACCEPT_SECONDS = 15;
/** The issue asks for 30 at least. */
const PIPELINE_SECONDS = 30;
const LATENCY_SECONDS = 30;
/** Of acceptance, in four turns; as many messages are dispatched after each. */
const BACKLOG_SECONDS = 16;
const FAIRNESS_SECONDS = 40;
/** Of each of its five parts. */
const VOICE_SECONDS = 10;
const MAX_SECONDS = 3_600;

interface BenchOptions {
  seconds?: number;
  json?: boolean;
  profile?: string;
}

function wholeSeconds(value: string): number {
  const seconds = Number(value);
  if (/^\d+$/.test(value) && seconds >= 1 && seconds <= MAX_SECONDS) return seconds;
  throw new InvalidArgumentError(`It must be a whole number from 1 to ${MAX_SECONDS}.`);
}

function acceptRows(result: AcceptResult): Rows {
  return [
    ['accepted', `${result.acceptedPerSecond}/s`],
    ['the same server, a constant', `${result.noopPerSecond}/s`],
    ['ratio', result.ratio],
    ['p50', `${result.p50Ms} ms`],
    ['p99', `${result.p99Ms} ms`],
    ['other answers', sparse(result.others)],
    ['processor time a request', sparse(result.microsecondsEach, ' µs')],
    ['on', 'billing, receipts, fsync, synchronous commit; the operator takes 200 a second beside it'],
  ];
}

function pipelineRows(result: PipelineResult): Rows {
  return [
    ['delivered and called back', `${result.deliveredPerSecond}/s`],
    ['accepted', `${result.acceptedPerSecond}/s`],
    ['lost', `${result.lost} of ${result.accepted}`],
    ['on the way at start and end', result.onTheWay.join(', ')],
    ['request p50, p99', `${result.requestP50Ms} ms, ${result.requestP99Ms} ms`],
    ['memory of the platform, peak', `${result.rssMiB} MiB`],
    ['other answers', sparse(result.others)],
    ['unexpected callbacks', result.unexpectedCallbacks],
    [
      'accounts and ledger',
      result.ledgerMismatches === 0 ? 'agree' : count(result.ledgerMismatches, 'mismatch', 'mismatches'),
    ],
    ['processor time a message', sparse(result.microsecondsEach, ' µs')],
    ['on', 'billing, receipts, callbacks, fsync, synchronous commit'],
  ];
}

function latencyRows(result: LatencyResult): Rows {
  return [
    ['requests', `${result.requestsPerSecond}/s`],
    ['request to answer', spread(result.answer)],
    ['request to submit_sm at the operator', spread(result.submit)],
    ["operator's receipt to callback", spread(result.callback)],
    ["operator's receipt to query endpoint", spread(result.query)],
    ['the disk alone: flush of a page', spread(result.flush)],
    ['lost', result.lost],
    ['other answers', sparse(result.others)],
    ['unexpected callbacks', result.unexpectedCallbacks],
    ['memory of the platform, peak', `${result.rssMiB} MiB`],
    ['processor time a message', sparse(result.microsecondsEach, ' µs')],
    ['processor time that others took', percent(result.stolen)],
    ['on', 'billing, receipts, callbacks, fsync, synchronous commit'],
  ];
}

function backlogRows(result: BacklogResult): Rows {
  const { without, with: withIt } = result;
  const both = (of: (side: BacklogSide) => string): string => `${of(without)} without, ${of(withIt)} with`;
  return [
    ['accepted', `${both((side) => `${side.acceptedPerSecond}/s`)}: ${percent(result.acceptRatio)}`],
    ['dispatched', `${both((side) => `${side.dispatchedPerSecond}/s`)}: ${percent(result.dispatchRatio)}`],
    ['turns', result.turns.map((turn) => turn.turn).join(', ')],
    ['accepted in each', result.turns.map((turn) => `${turn.acceptedPerSecond}/s`).join(', ')],
    ['dispatched in each', result.turns.map((turn) => `${turn.dispatchedPerSecond}/s`).join(', ')],
    ["the disk's flush before each", result.turns.map((turn) => `${turn.flushP50Ms} ms`).join(', ')],
    ['waiting after the turns with', result.waiting.join(', ')],
    ['memory of the platform, peak', both((side) => `${side.rssMiB} MiB`)],
    ['processor time, accepted', both((side) => sparse(side.acceptMicroseconds, ' µs'))],
    ['processor time, dispatched', both((side) => sparse(side.dispatchMicroseconds, ' µs'))],
    ['other answers', sparse(result.others)],
    ['processor time that others took', percent(result.stolen)],
    ['the backlog', '1,000,000 messages of one account for the same operator, written by SQL, then vacuumed'],
    ['on', 'billing, receipts, callbacks, fsync, synchronous commit; accepted first, then dispatched'],
  ];
}

function fairnessRows(result: FairnessResult): Rows {
  return [
    ["the other account's request to submit_sm", spread(result.submit)],
    ['while the flood pours in', spread(result.whilePouring)],
    ['while it waits', spread(result.whileWaiting)],
    ["the other account's request to answer", spread(result.answer)],
    ['not sent', result.notSent],
    ['flood', `${result.floodAccepted} messages, accepted at ${result.floodPerSecond}/s`],
    ['of the flood waiting at the end', result.floodWaiting],
    ['operator', `${result.operatorPerSecond}/s`],
    ['memory of the platform, peak', `${result.rssMiB} MiB`],
    ['other answers', sparse(result.others)],
    ['processor time that others took', percent(result.stolen)],
    ['on', 'billing, receipts, fsync, synchronous commit'],
  ];
}

function spread({ p50Ms, p99Ms, maxMs, count: samples }: Spread): string {
  return `p50 ${p50Ms} ms, p99 ${p99Ms} ms, longest ${maxMs} ms, of ${samples}`;
}

function percent(share: number): string {
  return `${(share * 100).toFixed(1)} %`;
}

/** Exit code 1 as well when a message was lost: no speed makes up for that. */
async function runAndPrint<Result extends object>(
  run: (options: RunOptions) => Promise<Result>,
  rows: (result: Result) => Rows,
  options: BenchOptions & { seconds: number },
): Promise<void> {
  const stopping = new AbortController();
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
    process.on(signal, () => stopping.abort(new Error(`stopped by ${signal}`)));
  }
  try {
    const result = await run({ seconds: options.seconds, profileTo: options.profile, signal: stopping.signal });
    process.stdout.write(`${pairs(rows(result))}\n`);
    if (options.json) process.stdout.write(`${JSON.stringify(result)}\n`);
    if ('lost' in result && result.lost !== 0) process.exitCode = 1;
  } catch (error) {
    if (!stopping.signal.aborted) throw error;
    process.stderr.write(`${String(stopping.signal.reason.message)}\n`);
    process.exitCode = 1;
  }
}

function withOptions(command: Command): Command {
  return command
    .addOption(new Option('--seconds <number>', 'how long is measured').argParser(wholeSeconds))
    .option('--json', 'one JSON object as the last line')
    .option('--profile <directory>', "write V8's processor profile of the platform there (slows it down)");
}

const program = new Command('bench').description('Measures Feige on this machine.');
withOptions(program.command('accept'))
  .description('requests answered 00000 a second, beside the same HTTP server answering a constant')
  .action((options: BenchOptions) => runAndPrint(benchAccept, acceptRows, { seconds: ACCEPT_SECONDS, ...options }));
withOptions(program.command('pipeline'))
  .description('messages a second from the request to the callback of the final state')
  .action((options: BenchOptions) =>
    runAndPrint(benchPipeline, pipelineRows, { seconds: PIPELINE_SECONDS, ...options }),
  );
withOptions(program.command('latency'))
  .description('how long the steps of a message take at 500 requests a second')
  .action((options: BenchOptions) => runAndPrint(benchLatency, latencyRows, { seconds: LATENCY_SECONDS, ...options }));
withOptions(program.command('backlog'))
  .description('how much of its speed is left with a million messages waiting')
  .action((options: BenchOptions) => runAndPrint(benchBacklog, backlogRows, { seconds: BACKLOG_SECONDS, ...options }));
withOptions(program.command('fairness'))
  .description("how long single messages take while another account's 100,000 wait")
  .action((options: BenchOptions) =>
    runAndPrint(benchFairness, fairnessRows, { seconds: FAIRNESS_SECONDS, ...options }),
  );
withOptions(program.command('voice'))
  .description('calls a second, 500 talking ones, the news of their end, speech; --seconds are those of each part')
  .action((options: BenchOptions) => runAndPrint(benchVoice, voiceRows, { seconds: VOICE_SECONDS, ...options }));
await program.parseAsync();
