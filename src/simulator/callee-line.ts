/**
 * The audio of one call at a simulated telephone: an RTP socket of its own, what is heard put into the recording, and
 * silence and digits sent. Takes RTP from anywhere, G.711 only; anything else is ignored.
 */
import { createSocket, type Socket } from 'node:dgram';
import { isIPv6 } from 'node:net';
import { decodeG711, encodeG711, type G711PayloadType, PCMA, PCMU } from '../sip/g711.ts';
import { readRtp } from '../sip/rtp-packet.ts';
import type { RemoteMedia } from '../sip/sdp.ts';
import { MessageEnd } from './callee-message-end.ts';
import { CalleeVoice, FRAME_MS } from './callee-voice.ts';
import type { SimulatedCall } from './calls.ts';
import type { CallRecording } from './calls-recording.ts';
import { CallReception } from './calls-reception.ts';

export interface LineOptions {
  call: SimulatedCall;
  recording: CallRecording;
  /** Whether silence is sent. */
  speaks: boolean;
  /** Pressed after each message. */
  presses: string | undefined;
  /** As answered. */
  remote: RemoteMedia;
  onHeard: ((atMs: number) => void) | undefined;
}

/** A digit asked for again and again is given so often: `replay_times` goes up to 9. */
const MAX_PRESSES = 9;

/** Sockets that are bound but not in a call yet. */
export interface LineSocket {
  readonly socket: Socket;
  readonly port: number;
}

/** A free port of this host. Rejects when there is none. */
export function openLineSocket(host: string): Promise<LineSocket> {
  const family = isIPv6(host) ? 6 : 4;
  const socket = createSocket({
    type: family === 6 ? 'udp6' : 'udp4',
    // Addresses only: asking the resolver for each packet would cost more than sending it.
    lookup: (address, _options, callback) => callback(null, address, family),
  });
  return new Promise((resolve, reject) => {
    socket.once('error', reject);
    socket.bind({ address: host, port: 0 }, () => {
      socket.off('error', reject);
      // Such as an ICMP error for what we sent: the caller has gone, its BYE or our patience ends the call.
      socket.on('error', () => {});
      resolve({ socket, port: socket.address().port });
    });
  });
}

export class CalleeLine {
  readonly #socket: Socket;
  readonly #options: LineOptions;
  readonly #reception = new CallReception();
  readonly #voice: CalleeVoice;
  readonly #messageEnd: MessageEnd | undefined;
  readonly #answeredMs: number;
  #remote: RemoteMedia;
  #heardMs: number;
  #closed = false;

  /** @param nowMs of `performance.now()`, as everywhere here */
  constructor(line: LineSocket, options: LineOptions, nowMs: number) {
    this.#socket = line.socket;
    this.#options = options;
    const { payloadType } = options.remote;
    this.#voice = new CalleeVoice(payloadType);
    this.#messageEnd = options.presses === undefined ? undefined : new MessageEnd(payloadType);
    this.#answeredMs = nowMs;
    this.#heardMs = nowMs;
    this.#remote = options.remote;
    line.socket.on('message', (packet) => this.#hear(packet));
  }

  /** When a packet last came, or the call was answered. */
  get heardMs(): number {
    return this.#heardMs;
  }

  /** After a re-INVITE or UPDATE; the recording keeps its codec. */
  set remote(remote: RemoteMedia) {
    this.#remote = remote;
    this.#voice.payloadType = remote.payloadType;
  }

  /** To be called every 20 ms: sends what is due. */
  tick(nowMs: number): void {
    if (this.#closed) return;
    const frame = Math.floor((nowMs - this.#answeredMs) / FRAME_MS);
    this.#pressWhenAsked(nowMs, frame);
    if (!this.#options.speaks || this.#remote.held) return;
    const packet = this.#voice.packet(frame);
    // What cannot be sent is lost, as on any line.
    if (packet !== undefined) this.#socket.send(packet, this.#remote.port, this.#remote.address, ignoreSendError);
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#socket.close();
  }

  #pressWhenAsked(nowMs: number, frame: number): void {
    const { presses, call } = this.#options;
    const payloadType = this.#remote.dtmfPayloadType;
    if (presses === undefined || this.#messageEnd === undefined || !this.#messageEnd.isOver(nowMs)) return;
    if (payloadType === undefined || call.pressed.length >= MAX_PRESSES) return;
    if (this.#voice.press(presses, payloadType, frame)) call.pressed += presses;
  }

  #hear(datagram: Buffer): void {
    const packet = readRtp(datagram);
    const { call, recording } = this.#options;
    // Also the codec that was agreed on before: its last packets may come after the new agreement.
    const isSpeech = packet?.payloadType === PCMA || packet?.payloadType === PCMU;
    // Digits are numbered along with the speech.
    if (packet === undefined || !(isSpeech || packet.payloadType === this.#remote.dtmfPayloadType)) return;
    if (!this.#reception.take(packet.ssrc, packet.sequence)) return;
    this.#heardMs = performance.now();
    call.packets = this.#reception.packets;
    call.lost = this.#reception.lost;
    if (packet.payloadType !== PCMA && packet.payloadType !== PCMU) return;
    this.#options.onHeard?.(this.#heardMs);
    const payload = this.#inRecordedCodec(packet.payloadType, packet.payload);
    recording.put({ ssrc: packet.ssrc, timestamp: packet.timestamp, payload });
    this.#messageEnd?.hear(payload, this.#heardMs);
  }

  #inRecordedCodec(payloadType: G711PayloadType, payload: Buffer): Buffer {
    const recorded = this.#options.remote.payloadType;
    return payloadType === recorded ? payload : encodeG711(recorded, decodeG711(payloadType, payload));
  }
}

function ignoreSendError(): void {}
