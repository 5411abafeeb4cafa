/**
 * What a telephone says: silence, and the digits it presses (RFC 4733). It builds the packet that is due and keeps the
 * stream's count; when to ask, and sending it, is for others. Silence is sent for a second without a gap and then, as
 * telephones with silence suppression do (RFC 3551 §4.1), now and then.
 */
import { randomInt } from 'node:crypto';
import { type G711PayloadType, silenceOctet } from '../sip/g711.ts';
import { eventOfKey, writeTelephoneEvent } from '../sip/rtp-events.ts';
import { writeRtp } from '../sip/rtp-packet.ts';

export const FRAME_MS = 20;
const FRAME_SAMPLES = 160;
/** 1 s without a gap, so that whoever wants to hear us first, does. */
const GAPLESS_FRAMES = 50;
/** Afterwards every 200 ms: 500 calls at 50 packets a second each would cost more than all the rest. */
const FRAMES_APART = 10;
/** 160 ms, then the end three times (RFC 4733 §2.5.1.4). */
const PRESS_FRAMES = 8;
const END_PACKETS = 3;
/** -10 dBm0 (RFC 4733 §2.3.3). */
const PRESS_VOLUME = 10;

interface Press {
  event: number;
  payloadType: number;
  startFrame: number;
  packets: number;
}

export class CalleeVoice {
  readonly #silence = Buffer.alloc(FRAME_SAMPLES);
  readonly #ssrc = randomInt(0x1_0000_0000);
  readonly #firstTimestamp = randomInt(0x1_0000_0000);
  #sequence = randomInt(0x1_0000);
  #lastFrame = -2;
  #press: Press | undefined;
  #payloadType: G711PayloadType;

  constructor(payloadType: G711PayloadType) {
    this.#payloadType = payloadType;
    this.#silence.fill(silenceOctet(payloadType));
  }

  /** In which codec it is silent from now on. */
  set payloadType(payloadType: G711PayloadType) {
    this.#payloadType = payloadType;
    this.#silence.fill(silenceOctet(payloadType));
  }

  /**
   * Presses a key from this frame on; false while another one is pressed, or if `key` is no key.
   * @param payloadType of telephone-event, as the caller offered it
   */
  press(key: string, payloadType: number, frame: number): boolean {
    const event = eventOfKey(key);
    if (event === undefined || this.#press !== undefined) return false;
    this.#press = { event, payloadType, startFrame: frame, packets: 0 };
    return true;
  }

  /**
   * The packet of this 20 ms frame, if there is one.
   * @param frame counted from the answer; frames may be left out
   */
  packet(frame: number): Buffer | undefined {
    if (frame <= this.#lastFrame) return undefined;
    if (this.#press !== undefined) return this.#eventPacket(this.#press, frame);
    if (frame >= GAPLESS_FRAMES && frame - this.#lastFrame < FRAMES_APART) return undefined;
    const marker = frame > this.#lastFrame + 1;
    this.#lastFrame = frame;
    return this.#write({ payloadType: this.#payloadType, marker, frame, payload: this.#silence });
  }

  #eventPacket(press: Press, frame: number): Buffer {
    press.packets += 1;
    const { event, payloadType, startFrame, packets } = press;
    this.#lastFrame = frame;
    if (packets === PRESS_FRAMES + END_PACKETS) this.#press = undefined;
    const payload = writeTelephoneEvent({
      event,
      end: packets > PRESS_FRAMES,
      volume: PRESS_VOLUME,
      duration: Math.min(packets, PRESS_FRAMES) * FRAME_SAMPLES,
    });
    return this.#write({ payloadType, marker: packets === 1, frame: startFrame, payload });
  }

  #write(packet: { payloadType: number; marker: boolean; frame: number; payload: Buffer }): Buffer {
    const { payloadType, marker, frame, payload } = packet;
    const sequence = this.#sequence;
    this.#sequence = (sequence + 1) & 0xffff;
    const timestamp = (this.#firstTimestamp + frame * FRAME_SAMPLES) >>> 0;
    return writeRtp({ payloadType, marker, sequence, timestamp, ssrc: this.#ssrc, payload });
  }
}
