/** The RTP streams of this node's calls: passes each stream's events on to its call. */
import type { Clock } from '../base/clock.ts';
import type { Logger } from '../base/log.ts';
import type { Connecting, Playing, ThreadSettings } from './player/protocol.ts';
import { type OpenStream, RtpPlayer, type RtpStats } from './player/rtp-player.ts';
import type { PacketSpacing } from './player/spacing.ts';

export interface StreamListener {
  /** Everything that was to be played has been sent. */
  onFinished(): void;
  onDigit(digit: string): void;
  /** The stream is gone. */
  onFailed(reason: string): void;
}

/** What a call asks of the RTP thread. */
export interface MediaStreams {
  /** Rejects when no port or stream is free: try later. */
  open(listener: StreamListener): Promise<OpenStream>;
  connect(streamId: number, to: Connecting): void;
  play(streamId: number, playing: Playing): void;
  close(streamId: number): Promise<RtpStats | undefined>;
}

export class CallMedia implements MediaStreams {
  readonly #player: RtpPlayer;
  readonly #listeners = new Map<number, StreamListener>();

  constructor(options: { clock: Clock; log: Logger; bind: ThreadSettings }) {
    this.#player = new RtpPlayer({
      ...options,
      handlers: {
        onFinished: (streamId) => this.#listeners.get(streamId)?.onFinished(),
        onDigit: (streamId, digit) => this.#listeners.get(streamId)?.onDigit(digit),
        onFailed: (streamId, reason) => {
          const listener = this.#listeners.get(streamId);
          this.#listeners.delete(streamId);
          listener?.onFailed(reason);
        },
      },
    });
  }

  get spacing(): PacketSpacing {
    return this.#player.spacing;
  }

  start(): Promise<void> {
    return this.#player.start();
  }

  stop(): Promise<void> {
    return this.#player.stop();
  }

  async open(listener: StreamListener): Promise<OpenStream> {
    const opened = await this.#player.open();
    this.#listeners.set(opened.streamId, listener);
    return opened;
  }

  connect(streamId: number, to: Connecting): void {
    this.#player.connect(streamId, to);
  }

  play(streamId: number, playing: Playing): void {
    this.#player.play(streamId, playing);
  }

  close(streamId: number): Promise<RtpStats | undefined> {
    this.#listeners.delete(streamId);
    return this.#player.close(streamId);
  }
}
