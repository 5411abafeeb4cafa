/**
 * Where one stream's packets go, and whose are taken. Speech goes to the address of the peer's SDP. Behind a NAT the
 * peer's packets come from another one, and ours reach it only there (symmetric RTP, RFC 4961); but whoever may move
 * the destination can steal a one-time code that is being read out. Hence the rule:
 *
 * 1. Packets count only when their host is that of the SDP or of the trunk's signalling. All others are dropped, and
 *    those from port 0 (RFC 768: no answer wanted): no socket sends there, and its error would end every call.
 * 2. A packet from the very address and port of the SDP settles it: the destination stays.
 * 3. Before that, three packets in sequence of one SSRC from one allowed source move the destination there, once: a
 *    blind forger would have to guess port, SSRC and sequence, and a stray packet of an earlier call moves nothing.
 * 4. A new SDP (re-INVITE, UPDATE) begins anew.
 */
import { canonicalAddress } from './ip-address.ts';
import type { RtpPacket } from './rtp-packet.ts';

export interface RtpAddress {
  /** An IP address. */
  address: string;
  port: number;
}

/** RFC 3550 A.1 asks for two in sequence before a source is believed; one more since here it redirects speech. */
const PACKETS_TO_BELIEVE = 3;

interface Candidate {
  host: string;
  port: number;
  ssrc: number;
  sequence: number;
  inSequence: number;
}

export class RtpPeer {
  readonly #described: RtpAddress;
  readonly #allowedHosts: ReadonlySet<string>;
  #destination: RtpAddress;
  #settled = false;
  #candidate: Candidate | undefined;

  /**
   * @param described from the peer's SDP
   * @param signallingAddress of the trunk, whose SDP may hold an address of its inner network
   */
  constructor(described: RtpAddress, signallingAddress?: string) {
    this.#described = { address: canonicalAddress(described.address), port: described.port };
    this.#destination = this.#described;
    const hosts = signallingAddress === undefined ? [] : [canonicalAddress(signallingAddress)];
    this.#allowedHosts = new Set([this.#described.address, ...hosts]);
  }

  get destination(): RtpAddress {
    return this.#destination;
  }

  /** Whether the SDP that this was made from said the same. */
  describes(remote: RtpAddress): boolean {
    return this.#described.address === canonicalAddress(remote.address) && this.#described.port === remote.port;
  }

  /** False when the packet isn't the peer's. May move the destination. */
  accepts(source: RtpAddress, packet: RtpPacket): boolean {
    const host = canonicalAddress(source.address);
    if (!this.#allowedHosts.has(host) || source.port === 0) return false;
    if (this.#settled) return true;
    if (host === this.#described.address && source.port === this.#described.port) {
      this.#settled = true;
      this.#candidate = undefined;
    } else {
      this.#consider(host, source.port, packet);
    }
    return true;
  }

  #consider(host: string, port: number, packet: RtpPacket): void {
    const known = this.#candidate;
    const { ssrc, sequence } = packet;
    const follows =
      known !== undefined &&
      known.host === host &&
      known.port === port &&
      known.ssrc === ssrc &&
      ((known.sequence + 1) & 0xffff) === sequence;
    const inSequence = follows ? known.inSequence + 1 : 1;
    if (inSequence < PACKETS_TO_BELIEVE) {
      this.#candidate = { host, port, ssrc, sequence, inSequence };
      return;
    }
    this.#destination = { address: host, port };
    this.#settled = true;
    this.#candidate = undefined;
  }
}
