/** A user agent under test and a call whose events can be waited for. */
import type { TestContext } from 'node:test';
import { createLogger } from '../../../src/base/log.ts';
import { DEFAULT_TIMERS, type SipTimers } from '../../../src/sip/timers.ts';
import {
  type Bind,
  type CallEnd,
  type CallHandlers,
  type CallOptions,
  type OutboundCall,
  type RemoteMedia,
  SipUserAgent,
  type TrunkTarget,
} from '../../../src/sip/user-agent.ts';
import { type ScriptedPeer, udpPeer } from './scripted-peer.ts';

export const SILENT = createLogger({ level: 'silent' });
/** Retransmissions soon, 64·T1 = 1,280 ms; only for tests that wait for them, for on a busy machine they come by themselves. */
export const QUICK_TIMERS: SipTimers = { t1Ms: 20, t2Ms: 80, t4Ms: 100 };

export interface WatchedCall {
  call: OutboundCall;
  progress: number[];
  answers: RemoteMedia[];
  media: RemoteMedia[];
  lines: string[];
  ends: CallEnd[];
  answered: Promise<RemoteMedia>;
  ended: Promise<CallEnd>;
  /** The next change of media. */
  changed(): Promise<RemoteMedia>;
}

export async function startAgent(
  context: TestContext,
  options: { bind?: Bind; timers?: SipTimers; publicAddress?: string } = {},
): Promise<SipUserAgent> {
  const { bind = { address: '127.0.0.1', udpPort: 0 }, timers = DEFAULT_TIMERS, publicAddress } = options;
  const agent = new SipUserAgent({ bind, timers, publicAddress, log: SILENT });
  await agent.start();
  context.after(() => agent.stop());
  return agent;
}

/** An agent and a UDP peer, the agent stopped first. */
export async function stage(
  context: TestContext,
  options: { bind?: Bind; timers?: SipTimers; publicAddress?: string } = {},
): Promise<{ agent: SipUserAgent; peer: ScriptedPeer }> {
  const agent = await startAgent(context, options);
  const peer = await udpPeer();
  context.after(() => peer.close());
  return { agent, peer };
}

export function trunkOf(peer: ScriptedPeer, extra: Partial<TrunkTarget> = {}): TrunkTarget {
  return {
    host: '127.0.0.1',
    port: peer.port,
    transport: peer.transport,
    fromUser: '0223456789',
    domain: 'operator.example',
    timerBMs: 2_000,
    ...extra,
  };
}

export function place(agent: SipUserAgent, trunk: TrunkTarget, options: Partial<CallOptions> = {}): WatchedCall {
  const answered = Promise.withResolvers<RemoteMedia>();
  const ended = Promise.withResolvers<CallEnd>();
  const waiting: ((media: RemoteMedia) => void)[] = [];
  const seen: Omit<WatchedCall, 'call' | 'changed'> = {
    progress: [],
    answers: [],
    media: [],
    lines: [],
    ends: [],
    answered: answered.promise,
    ended: ended.promise,
  };
  const handlers: CallHandlers = {
    onProgress: (status) => seen.progress.push(status),
    onAnswered: (media) => {
      seen.answers.push(media);
      answered.resolve(media);
    },
    onEnded: (end) => {
      seen.ends.push(end);
      ended.resolve(end);
    },
    onMessage: ({ direction, summary }) => seen.lines.push(`${direction} ${summary}`),
    onMediaChanged: (media) => {
      seen.media.push(media);
      for (const wake of waiting.splice(0)) wake(media);
    },
  };
  const localRtp = { address: '127.0.0.1', port: 40_000 };
  const call = agent.call({ trunk, to: '0912345678', localRtp, ringTimeoutMs: 5_000, ...options }, handlers);
  return { ...seen, call, changed: () => new Promise((resolve) => waiting.push(resolve)) };
}
