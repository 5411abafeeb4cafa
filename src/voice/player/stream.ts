/**
 * One call's audio: what is sent at each packet time, and what is heard of the callee. Once connected it sends without
 * a break, silence where nothing is played, so that NATs stay open and jitter buffers run. On hold it sends nothing
 * and the speech waits. It knows neither socket nor timer.
 */
import { KeyPresses } from '../../sip/rtp-events.ts';
import { readRtp } from '../../sip/rtp-packet.ts';
import { type RtpAddress, RtpPeer } from '../../sip/rtp-peer.ts';
import { PTIME_MS, RtpSender, SAMPLES_PER_PACKET } from '../../sip/rtp-sender.ts';
import type { RemoteMedia } from '../../sip/sdp.ts';
import type { Connecting, Playing, StreamCounts } from './protocol.ts';

/** Further key presses are ignored. */
const MAX_DIGITS = 64;
const NO_SAMPLES = new Int16Array(0);

export interface PlayerStreamDependencies {
  randomUint32(): number;
  /** Monotonic. */
  nowMs(): number;
  send(packet: Buffer, destination: RtpAddress): void;
  /** A packet was sent so long after the one before; not told of the first one, nor after a hold. */
  onSpacing(ms: number): void;
  onDigit(digit: string): void;
  /** The last packet of the tail has been sent. */
  onFinished(): void;
}

export class PlayerStream {
  readonly #dependencies: PlayerStreamDependencies;
  readonly #sender: RtpSender;
  readonly #keys = new KeyPresses();
  #remote: RemoteMedia | undefined;
  #silenced = false;
  #peer: RtpPeer | undefined;
  #samples: Int16Array = NO_SAMPLES;
  #position = 0;
  /** Of what is played, its tail included; 0 when nothing is. */
  #packetsLeft = 0;
  #packetsSent = 0;
  #packetsReceived = 0;
  #lastSentAtMs: number | undefined;
  #lastReceivedAtMs: number | undefined;
  #digits = '';

  constructor(dependencies: PlayerStreamDependencies) {
    this.#dependencies = dependencies;
    this.#sender = new RtpSender(() => dependencies.randomUint32());
  }

  counts(): StreamCounts {
    const heardAtMs = this.#lastReceivedAtMs;
    return {
      packetsSent: this.#packetsSent,
      packetsReceived: this.#packetsReceived,
      lastReceivedAgoMs: heardAtMs === undefined ? undefined : this.#dependencies.nowMs() - heardAtMs,
      digits: this.#digits,
    };
  }

  /** From here on silence is sent there, or what is being played goes on there. */
  connect(to: Connecting): void {
    this.#remote = to.remote;
    this.#silenced = isSilenced(to.remote);
    if (this.#peer?.describes(to.remote) !== true) this.#peer = new RtpPeer(to.remote, to.signallingAddress);
  }

  /** From the first sample on; what was played before is dropped and not reported as finished. */
  play(playing: Playing): void {
    this.connect(playing);
    this.#samples = playing.samples;
    this.#position = 0;
    const tailPackets = Math.max(1, Math.ceil(playing.tailSilenceMs / PTIME_MS));
    this.#packetsLeft = Math.ceil(playing.samples.length / SAMPLES_PER_PACKET) + tailPackets;
  }

  /** To be called every 20 ms. */
  tick(): void {
    const remote = this.#remote;
    if (remote === undefined || this.#peer === undefined || this.#silenced) {
      this.#sender.skip(1);
      this.#lastSentAtMs = undefined;
      return;
    }
    const packet = this.#sender.packet(remote.payloadType, this.#samples, this.#position);
    this.#dependencies.send(packet, this.#peer.destination);
    this.#packetsSent += 1;
    this.#noteSpacing();
    if (this.#packetsLeft === 0) return;
    this.#position += SAMPLES_PER_PACKET;
    this.#packetsLeft -= 1;
    if (this.#packetsLeft > 0) return;
    this.#samples = NO_SAMPLES;
    this.#position = 0;
    this.#dependencies.onFinished();
  }

  #noteSpacing(): void {
    const nowMs = this.#dependencies.nowMs();
    if (this.#lastSentAtMs !== undefined) this.#dependencies.onSpacing(nowMs - this.#lastSentAtMs);
    this.#lastSentAtMs = nowMs;
  }

  /** Packet times that passed without a `tick`. */
  skip(packets: number): void {
    this.#sender.skip(packets);
  }

  /** Anything that came in on the stream's port. Never throws. */
  hear(datagram: Buffer, source: RtpAddress): void {
    const remote = this.#remote;
    if (remote === undefined || this.#peer === undefined) return;
    const packet = readRtp(datagram);
    if (packet === undefined || !this.#peer.accepts(source, packet)) return;
    this.#packetsReceived += 1;
    this.#lastReceivedAtMs = this.#dependencies.nowMs();
    if (packet.payloadType !== remote.dtmfPayloadType || this.#digits.length >= MAX_DIGITS) return;
    const digit = this.#keys.take(packet);
    if (digit === undefined) return;
    this.#digits += digit;
    this.#dependencies.onDigit(digit);
  }
}

/** RFC 3264 §8.4: an address of zeros is hold as well, in older peers; §5.1: port 0 is no stream. */
function isSilenced(remote: RemoteMedia): boolean {
  return remote.held || remote.port === 0 || remote.address === '0.0.0.0' || remote.address === '::';
}
