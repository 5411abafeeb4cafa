/**
 * Key presses as telephone-event payloads (RFC 4733 §2.3). A press arrives as many packets with one timestamp, its
 * last one three times; each press counts once, from whichever of its packets comes first.
 */
import type { RtpPacket } from './rtp-packet.ts';

export interface TelephoneEvent {
  /** 0 to 255; 0 to 15 are keys, see `KEYS`. */
  event: number;
  /** The key was let go. */
  end: boolean;
  /** 0 to 63, in -dBm0. */
  volume: number;
  /** Since the timestamp of the packet, in its units; 16 bits. */
  duration: number;
}

/** RFC 4733 §3.2: events 0 to 15 in order. */
const KEYS = '0123456789*#ABCD';
const EVENT_BYTES = 4;
const END_FLAG = 0x80;
const VOLUME_MASK = 0x3f;
/** A longer press goes on under a later timestamp, at most this far on (§2.5.1.3). */
const MAX_DURATION = 0xffff;

/** `undefined` when there are fewer than four octets; what follows them is left alone. */
export function readTelephoneEvent(payload: Buffer): TelephoneEvent | undefined {
  if (payload.length < EVENT_BYTES) return undefined;
  const flags = payload.readUInt8(1);
  return {
    event: payload.readUInt8(0),
    end: (flags & END_FLAG) !== 0,
    volume: flags & VOLUME_MASK,
    duration: payload.readUInt16BE(2),
  };
}

export function writeTelephoneEvent(event: TelephoneEvent): Buffer {
  const payload = Buffer.allocUnsafe(EVENT_BYTES);
  payload[0] = event.event & 0xff;
  payload[1] = (event.end ? END_FLAG : 0) | (event.volume & VOLUME_MASK);
  payload.writeUInt16BE(event.duration & 0xffff, 2);
  return payload;
}

/** The event's number of a key: `0`-`9`, `*`, `#`, `A`-`D`; `undefined` for anything else. */
export function eventOfKey(key: string): number | undefined {
  const event = key.length === 1 ? KEYS.indexOf(key) : -1;
  return event === -1 ? undefined : event;
}

interface Press {
  ssrc: number;
  timestamp: number;
  event: number;
  ended: boolean;
}

/** Turns the telephone-event packets of one stream into presses. Remembers the latest only. */
export class KeyPresses {
  #latest: Press | undefined;

  /** The key, once a press, as soon as any packet of it arrives: the last ones may get lost. */
  take(packet: RtpPacket): string | undefined {
    const event = readTelephoneEvent(packet.payload);
    const key = event === undefined ? undefined : KEYS[event.event];
    if (event === undefined || key === undefined) return undefined;
    const latest = this.#latest;
    if (latest?.ssrc === packet.ssrc) {
      const later = (packet.timestamp - latest.timestamp) | 0;
      if (later < 0) return undefined;
      if (later === 0) {
        latest.ended ||= event.end;
        return undefined;
      }
      const goesOn = !latest.ended && !packet.marker && latest.event === event.event && later <= MAX_DURATION;
      if (goesOn) {
        latest.timestamp = packet.timestamp;
        latest.ended = event.end;
        return undefined;
      }
    }
    this.#latest = { ssrc: packet.ssrc, timestamp: packet.timestamp, event: event.event, ended: event.end };
    return key;
  }
}
