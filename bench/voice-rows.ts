/** The table of `bench -- voice`, with the goals beside what was measured. */
import { type Rows, sparse } from './rows.ts';
import type { VoiceResult } from './voice.ts';
import type { SetUpResult } from './voice-calls.ts';

export function voiceRows({ accept, busy, answered, talking, speech }: VoiceResult): Rows {
  const mismatches = Math.max(busy.ledgerMismatches, answered.ledgerMismatches, talking.ledgerMismatches);
  return [
    ['requests accepted (5,000/s)', `${accept.perSecond}/s, p50 ${accept.p50Ms} ms, p99 ${accept.p99Ms} ms`],
    ['  other answers', sparse(accept.others)],
    ['  processor time a request', sparse(accept.microsecondsEach, ' µs')],
    ...setUpRows('calls to busy callees (200/s)', busy),
    ...setUpRows('calls that hear 1 s (200/s)', answered),
    ['BYE to callback (p99 1 s)', `p50 ${answered.callbackP50Ms} ms, p99 ${answered.callbackP99Ms} ms`],
    [
      'BYE to final state by query (p99 1 s)',
      `p50 ${answered.queryP50Ms} ms, p99 ${answered.queryP99Ms} ms of ${answered.queried}, ${answered.queriesFailed} failed`,
    ],
    ['calls that talk at once', `${talking.calls}`],
    [
      '  packet spacing as sent (p99 25 ms)',
      `p99 ${talking.sentP99Ms} ms, p99.9 ${talking.sentP999Ms} ms, longest ${talking.sentMaxMs} ms`,
    ],
    [
      '  as it arrived (p99 25 ms)',
      `p50 ${talking.arrivedP50Ms} ms, p99 ${talking.arrivedP99Ms} ms, p99.9 ${talking.arrivedP999Ms} ms`,
    ],
    ['  packets lost (0)', `${talking.packetsLost}; ${talking.packets} while it was measured`],
    ['  processor, of one core', sparse(talking.processorPercent, ' %')],
    ['  memory of the platform', `${talking.platformMiB} MiB`],
    ['speech', `${speech.perProcessorSecond} s a processor second, ${speech.perSecond} s a second`],
    ['calls lost', `${busy.lost + answered.lost + talking.lost}`],
    ['accounts and ledger', mismatches === 0 ? 'agree' : `${mismatches} mismatches`],
    ['on', 'billing, callbacks, fsync, synchronous commit; telephones, load and callback servers beside it'],
  ];
}

function setUpRows(name: string, result: SetUpResult): Rows {
  return [
    [name, `${result.perSecond}/s`],
    ['  lost, other answers', `${result.lost} of ${result.accepted}, ${sparse(result.others)}`],
    ['  processor time a call', sparse(result.microsecondsEach, ' µs')],
  ];
}
