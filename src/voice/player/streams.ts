/**
 * All streams of the thread that sends RTP, with their sockets: obeys the main thread's commands and keeps the pace
 * while there are streams. An error of one socket ends its stream; anything else that goes wrong ends the thread, and
 * the main thread starts another.
 */
import { randomBytes } from 'node:crypto';
import type { Socket } from 'node:dgram';
import { isIPv4, isIPv6 } from 'node:net';
import type { RtpAddress } from '../../sip/rtp-peer.ts';
import { GROUPS, Pace } from './pace.ts';
import { PlayerPorts } from './ports.ts';
import type { ThreadCommand, ThreadReport, ThreadSettings } from './protocol.ts';
import type { PacketSpacing } from './spacing.ts';
import { PlayerStream } from './stream.ts';

const MAX_PORT = 65_535;

interface Opened {
  stream: PlayerStream;
  socket: Socket;
  port: number;
  group: number;
}

export class PlayerStreams {
  readonly #settings: ThreadSettings;
  readonly #report: (report: ThreadReport) => void;
  readonly #ports: PlayerPorts;
  readonly #spacing: PacketSpacing;
  readonly #opened = new Map<number, Opened>();
  readonly #groups: Set<PlayerStream>[] = Array.from({ length: GROUPS }, () => new Set<PlayerStream>());
  #pace: Pace | undefined;

  constructor(dependencies: {
    settings: ThreadSettings;
    spacing: PacketSpacing;
    report: (report: ThreadReport) => void;
  }) {
    this.#settings = dependencies.settings;
    this.#spacing = dependencies.spacing;
    this.#report = dependencies.report;
    this.#ports = new PlayerPorts(dependencies.settings);
  }

  /** Commands for a stream that is gone are late ones, and ignored. */
  async obey(command: ThreadCommand): Promise<void> {
    const { streamId } = command;
    switch (command.kind) {
      case 'open':
        await this.#open(streamId);
        return;
      case 'connect':
        if (this.#canReach(streamId, command.to.remote)) this.#opened.get(streamId)?.stream.connect(command.to);
        return;
      case 'play':
        if (this.#canReach(streamId, command.playing.remote)) this.#opened.get(streamId)?.stream.play(command.playing);
        return;
      case 'close':
        this.#close(streamId);
        return;
    }
  }

  async #open(streamId: number): Promise<void> {
    const bound = await this.#ports.bind();
    if (bound.kind === 'none') {
      this.#report({ kind: 'not-opened', streamId, reason: bound.reason });
      return;
    }
    const { socket, port } = bound;
    const mapped = isIPv6(this.#settings.address);
    const stream = new PlayerStream({
      randomUint32: () => randomBytes(4).readUInt32BE(0),
      nowMs: () => performance.now(),
      // Without a callback: a packet the network did not take is lost like any other.
      send: (packet, to) => socket.send(packet, to.port, addressFor(to, mapped)),
      onSpacing: (ms) => this.#spacing.add(ms),
      onDigit: (digit) => this.#report({ kind: 'digit', streamId, digit }),
      onFinished: () => this.#report({ kind: 'finished', streamId, counts: stream.counts() }),
    });
    socket.on('message', (datagram, source) => stream.hear(datagram, source));
    socket.on('error', (error) => this.#fail(streamId, error.message));
    const group = this.#smallestGroup();
    this.#groups[group]?.add(stream);
    this.#opened.set(streamId, { stream, socket, port, group });
    this.#report({ kind: 'opened', streamId, port });
    if (this.#pace === undefined) {
      this.#pace = new Pace(performance.now());
      this.#schedule(this.#pace);
    }
  }

  /** What a socket's `send` throws on would cost every call on this thread. */
  #canReach(streamId: number, remote: RtpAddress): boolean {
    const { address, port } = remote;
    const isPort = Number.isInteger(port) && port >= 0 && port <= MAX_PORT;
    if (isPort && (isIPv4(address) || (isIPv6(address) && isIPv6(this.#settings.address)))) return true;
    this.#fail(streamId, `no RTP from ${this.#settings.address} to ${address} port ${port}`);
    return false;
  }

  #fail(streamId: number, reason: string): void {
    if (this.#remove(streamId) !== undefined) this.#report({ kind: 'failed', streamId, reason });
  }

  #close(streamId: number): void {
    const opened = this.#remove(streamId);
    if (opened !== undefined) this.#report({ kind: 'closed', streamId, counts: opened.stream.counts() });
  }

  #remove(streamId: number): Opened | undefined {
    const opened = this.#opened.get(streamId);
    if (opened === undefined) return undefined;
    this.#opened.delete(streamId);
    this.#groups[opened.group]?.delete(opened.stream);
    opened.socket.close(() => this.#ports.release(opened.port));
    return opened;
  }

  #smallestGroup(): number {
    const sizes = this.#groups.map((group) => group.size);
    return sizes.indexOf(Math.min(...sizes));
  }

  #schedule(pace: Pace): void {
    setTimeout(() => this.#tick(pace), pace.delayMs(performance.now()));
  }

  #tick(pace: Pace): void {
    if (this.#opened.size === 0) {
      this.#pace = undefined;
      return;
    }
    const due = pace.take(performance.now());
    if (due.skippedPackets > 0) {
      for (const { stream } of this.#opened.values()) stream.skip(due.skippedPackets);
    }
    for (const group of due.groups) {
      for (const stream of this.#groups[group] ?? []) stream.tick();
    }
    this.#schedule(pace);
  }
}

/** A socket of IPv6 reaches IPv4 under a mapped address (RFC 4291 §2.5.5.2). */
function addressFor(to: RtpAddress, mapped: boolean): string {
  return mapped && isIPv4(to.address) ? `::ffff:${to.address}` : to.address;
}
