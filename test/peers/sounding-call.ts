/** A call that plays samples when it is answered, made of the user agent and the player as the pipeline joins them. */
import type { TestContext } from 'node:test';
import { FollowingClock } from '../../src/base/clock.ts';
import { createLogger } from '../../src/base/log.ts';
import { type CallEnd, SipUserAgent, type TrunkTarget } from '../../src/sip/user-agent.ts';
import { RtpPlayer, type RtpStats } from '../../src/voice/player/rtp-player.ts';

const ADDRESS = '127.0.0.1';
const RTP_PORTS = { firstPort: 46_000, lastPort: 47_998 };
const TAIL_SILENCE_MS = 400;
const RING_TIMEOUT_MS = 10_000;

export interface SoundingCall {
  end: CallEnd;
  stats: RtpStats | undefined;
  /** `sent INVITE …`, `received 180 …`, in order. */
  lines: string[];
}

/** Plays, then hangs up; stays on the line when `hangUp` is false. Resolves when the call has ended. */
export async function soundingCall(
  context: TestContext,
  options: { trunk: TrunkTarget; to: string; samples: Int16Array; hangUp?: boolean },
): Promise<SoundingCall> {
  const { trunk, to, samples, hangUp = true } = options;
  const log = createLogger({ level: 'silent' });
  const finished = Promise.withResolvers<void>();
  const player = new RtpPlayer({
    clock: new FollowingClock(),
    log,
    bind: { address: ADDRESS, ...RTP_PORTS },
    handlers: { onFinished: () => finished.resolve(), onDigit: () => undefined, onFailed: () => undefined },
  });
  context.after(() => player.stop());
  const agent = new SipUserAgent({ bind: { address: ADDRESS, udpPort: 0 }, log });
  context.after(() => agent.stop());
  await player.start();
  await agent.start();
  const { streamId, port } = await player.open();
  const ended = Promise.withResolvers<CallEnd>();
  const lines: string[] = [];
  const call = agent.call(
    { trunk, to, localRtp: { address: ADDRESS, port }, ringTimeoutMs: RING_TIMEOUT_MS },
    {
      onProgress: () => undefined,
      onAnswered: (remote) => player.play(streamId, { remote, samples, tailSilenceMs: TAIL_SILENCE_MS }),
      onEnded: (end) => ended.resolve(end),
      onMessage: ({ direction, summary }) => lines.push(`${direction} ${summary}`),
      onMediaChanged: (remote) => player.connect(streamId, { remote }),
    },
  );
  if (hangUp) void finished.promise.then(() => call.hangUp());
  const end = await ended.promise;
  const stats = await player.close(streamId);
  // The BYE is answered before this returns.
  await agent.stop();
  return { end, stats, lines };
}

/** A trunk on loopback. */
export function loopbackTrunk(port: number, extra: Partial<TrunkTarget> = {}): TrunkTarget {
  return {
    host: ADDRESS,
    port,
    transport: 'udp',
    fromUser: '0223456789',
    domain: 'operator.example',
    timerBMs: 4_000,
    ...extra,
  };
}
