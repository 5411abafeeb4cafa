/**
 * One attempt at a call over one trunk: opens a port, dials, plays as often as requested, hangs up, and reports how the
 * call ended. Knows neither queue nor points.
 */
import { isIP } from 'node:net';
import type { Clock } from '../base/clock.ts';
import { callStateOfRefusal } from '../domain/voice-codes.ts';
import { MAX_CALL_SECONDS, REPLAY_GAP_MS, REPLAY_LISTEN_MS, TAIL_SILENCE_MS } from '../domain/voice-length.ts';
import type { CallEnd, OutboundCall, RemoteMedia, SipUserAgent, TrunkTarget } from '../sip/user-agent.ts';
import type { MediaStreams } from './media.ts';

/** A line of the call's life, as it happened. */
export interface CallLine {
  readonly atMs: number;
  readonly kind: 'sip-sent' | 'sip-received' | 'rtp' | 'answered';
  readonly detail: string;
}

export type CallResult =
  | { readonly kind: 'answered'; readonly answeredAtMs: number; readonly talkedMs: number; readonly by: 'us' | 'them' }
  | { readonly kind: 'unanswered'; readonly state: 'NoAnswer' | 'Busy'; readonly reason: string }
  /** `silent`: the trunk gave no response at all. `final`: the call was answered, so no other trunk may be tried. */
  | { readonly kind: 'trunk-failed'; readonly reason: string; readonly silent: boolean; readonly final: boolean }
  /** No port for its media is free on this node. */
  | { readonly kind: 'no-media'; readonly reason: string }
  /** `hangUp` was called before the answer. */
  | { readonly kind: 'cancelled' };

export interface CallOrder {
  readonly target: TrunkTarget;
  readonly to: string;
  /** The address that the callee is told to send its RTP to. */
  readonly mediaAddress: string;
  readonly samples: Int16Array;
  readonly replayMode: number;
  readonly replayTimes: number;
  readonly ringTimeoutMs: number;
  /** The 200 OK is there. */
  readonly onAnswered: (atMs: number) => void;
  /** Some lines come after the end. */
  readonly onLine: (line: CallLine) => void;
}

export interface CallDependencies {
  readonly agent: Pick<SipUserAgent, 'call'>;
  readonly media: MediaStreams;
  readonly clock: Clock;
}

const REPLAY_KEY = '1';

export class CallAttempt {
  readonly #dependencies: CallDependencies;
  readonly #order: CallOrder;
  readonly #ended = Promise.withResolvers<CallResult>();
  #call: OutboundCall | undefined;
  #hungUp = false;
  #streamId: number | undefined;
  #remote: RemoteMedia | undefined;
  #answeredAtMs: number | undefined;
  #answeredMonotonicMs = 0;
  #plays = 0;
  #limit: NodeJS.Timeout | undefined;

  constructor(dependencies: CallDependencies, order: CallOrder) {
    this.#dependencies = dependencies;
    this.#order = order;
  }

  get isAnswered(): boolean {
    return this.#answeredAtMs !== undefined;
  }

  /** Resolves when the call has ended, one way or the other. Never rejects. */
  async run(): Promise<CallResult> {
    const { media } = this.#dependencies;
    let port: number;
    try {
      const stream = await media.open({
        onFinished: () => this.#onFinished(),
        onDigit: (digit) => this.#onDigit(digit),
        onFailed: () => {
          this.#streamId = undefined;
          this.#call?.hangUp();
        },
      });
      this.#streamId = stream.streamId;
      port = stream.port;
    } catch (error) {
      return { kind: 'no-media', reason: error instanceof Error ? error.message : String(error) };
    }
    if (this.#hungUp) this.#ended.resolve({ kind: 'cancelled' });
    else this.#dial(port);
    const result = await this.#ended.promise;
    clearTimeout(this.#limit);
    await this.#closeMedia();
    return result;
  }

  /** CANCEL before the answer, BYE after it. */
  hangUp(): void {
    this.#hungUp = true;
    this.#call?.hangUp();
  }

  #dial(port: number): void {
    const { target, to, mediaAddress, ringTimeoutMs, onLine } = this.#order;
    this.#call = this.#dependencies.agent.call(
      { trunk: target, to, localRtp: { address: mediaAddress, port }, ringTimeoutMs },
      {
        onProgress: () => {},
        onAnswered: (remote) => this.#onAnswered(remote),
        onMediaChanged: (remote) => {
          this.#remote = remote;
          if (this.#streamId !== undefined) this.#dependencies.media.connect(this.#streamId, this.#connecting(remote));
        },
        onEnded: (end) => this.#ended.resolve(this.#resultOf(end)),
        onMessage: ({ direction, summary, atMs }) => onLine({ atMs, kind: `sip-${direction}`, detail: summary }),
      },
    );
  }

  #onAnswered(remote: RemoteMedia): void {
    const atMs = this.#dependencies.clock.now();
    this.#answeredAtMs = atMs;
    this.#answeredMonotonicMs = performance.now();
    this.#remote = remote;
    this.#order.onAnswered(atMs);
    const codec = remote.payloadType === 0 ? 'PCMU' : 'PCMA';
    this.#order.onLine({ atMs, kind: 'answered', detail: `${codec} to ${remote.address}:${remote.port}` });
    this.#limit = setTimeout(() => this.#call?.hangUp(), MAX_CALL_SECONDS * 1000);
    this.#play();
  }

  #play(): void {
    if (this.#streamId === undefined || this.#remote === undefined) {
      this.#call?.hangUp();
      return;
    }
    this.#plays += 1;
    this.#dependencies.media.play(this.#streamId, {
      ...this.#connecting(this.#remote),
      samples: this.#order.samples,
      tailSilenceMs: this.#tailMs(),
    });
  }

  #tailMs(): number {
    const { replayMode, replayTimes } = this.#order;
    if (replayMode === 1 && this.#plays < replayTimes) return REPLAY_GAP_MS;
    if (replayMode === 2 && this.#plays <= replayTimes) return REPLAY_LISTEN_MS;
    return TAIL_SILENCE_MS;
  }

  #onFinished(): void {
    const { replayMode, replayTimes } = this.#order;
    if (replayMode === 1 && this.#plays < replayTimes) this.#play();
    else this.#call?.hangUp();
  }

  /** The key is heard during the message too: it begins anew. */
  #onDigit(digit: string): void {
    const { replayMode, replayTimes } = this.#order;
    if (replayMode === 2 && digit === REPLAY_KEY && this.#plays <= replayTimes) this.#play();
  }

  #connecting(remote: RemoteMedia): { remote: RemoteMedia; signallingAddress?: string } {
    const { host } = this.#order.target;
    return isIP(host) === 0 ? { remote } : { remote, signallingAddress: host };
  }

  #resultOf(end: CallEnd): CallResult {
    if (this.#answeredAtMs !== undefined) {
      const talkedMs = performance.now() - this.#answeredMonotonicMs;
      const by = end.kind === 'hung-up' ? end.by : 'us';
      return { kind: 'answered', answeredAtMs: this.#answeredAtMs, talkedMs, by };
    }
    switch (end.kind) {
      case 'refused':
        return { kind: 'unanswered', state: callStateOfRefusal(end.status), reason: `${end.status} ${end.reason}` };
      case 'no-answer':
        return { kind: 'unanswered', state: 'NoAnswer', reason: 'rang without an answer' };
      case 'trunk-failed': {
        const { status, reason } = end;
        const final = status !== undefined && status >= 200 && status < 300;
        return { kind: 'trunk-failed', reason, silent: status === undefined, final };
      }
      case 'cancelled':
      case 'hung-up':
        return { kind: 'cancelled' };
    }
  }

  async #closeMedia(): Promise<void> {
    if (this.#streamId === undefined) return;
    const stats = await this.#dependencies.media.close(this.#streamId);
    if (stats === undefined || this.#answeredAtMs === undefined) return;
    const keys = stats.digits === '' ? '' : `, keys ${stats.digits}`;
    const detail = `${stats.packetsSent} packets sent, ${stats.packetsReceived} received${keys}`;
    this.#order.onLine({ atMs: this.#dependencies.clock.now(), kind: 'rtp', detail });
  }
}
