/**
 * What the main thread and the thread that sends RTP tell each other. Samples lie in shared memory, so that a
 * recording that goes to many callees exists once.
 */
import type { RemoteMedia } from '../../sip/sdp.ts';

export interface ThreadSettings {
  /** IP address the sockets are bound to. */
  address: string;
  /** Bounds of the port range, both included; RTP takes the even ones. */
  firstPort: number;
  lastPort: number;
}

/** What the thread is started with. */
export interface ThreadStart {
  settings: ThreadSettings;
  /** Of a `PacketSpacing`. */
  spacing: SharedArrayBuffer;
}

export interface Playing {
  remote: RemoteMedia;
  /** Of the trunk, when its media may come from there; see the rule in `sip/rtp-peer.ts`. */
  signallingAddress?: string;
  /** 8,000 Hz mono. */
  samples: Int16Array;
  /** Sent after the last sample, rounded up to whole packets. */
  tailSilenceMs: number;
}

export type Connecting = Pick<Playing, 'remote' | 'signallingAddress'>;

export type ThreadCommand =
  | { kind: 'open'; streamId: number }
  | { kind: 'connect'; streamId: number; to: Connecting }
  | { kind: 'play'; streamId: number; playing: Playing }
  | { kind: 'close'; streamId: number };

export interface StreamCounts {
  /** Handed to the kernel. */
  packetsSent: number;
  /** RTP from the peer itself, telephone-events included. */
  packetsReceived: number;
  /** How long ago the latest of them came; undefined when none did. */
  lastReceivedAgoMs: number | undefined;
  /** Keys the callee pressed, in order. */
  digits: string;
}

export type ThreadReport =
  /** `hurries`: the system gives it its turn before other threads. */
  | { kind: 'ready'; hurries: boolean }
  | { kind: 'opened'; streamId: number; port: number }
  | { kind: 'not-opened'; streamId: number; reason: string }
  | { kind: 'finished'; streamId: number; counts: StreamCounts }
  | { kind: 'digit'; streamId: number; digit: string }
  | { kind: 'failed'; streamId: number; reason: string }
  | { kind: 'closed'; streamId: number; counts: StreamCounts };
