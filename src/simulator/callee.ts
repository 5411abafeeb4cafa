/**
 * The simulated telephones: one SIP callee on one port, UDP and TCP, that is every number at once and treats a call as
 * the number's row of the table says. What it hears is recorded. It never calls, and knows nothing of the platform.
 */
import { randomUUID } from 'node:crypto';
import { type AddressInfo, createServer } from 'node:net';
import { setTimeout as pause } from 'node:timers/promises';
import type { Clock } from '../base/clock.ts';
import type { Logger } from '../base/log.ts';
import { SipCalleeServer } from '../sip/callee-server.ts';
import type { CalleeEnd, CalleeSession } from '../sip/callee-session.ts';
import { behaviourOf, type CalleeBehaviour } from './callee-behaviours.ts';
import { CalleeChallenge } from './callee-challenge.ts';
import { CalleeLine, openLineSocket } from './callee-line.ts';
import { FRAME_MS } from './callee-voice.ts';
import { CallArchive } from './calls-archive.ts';
import { type CallCodec, type CallEndedBy, CallStore, type SimulatedCall } from './calls.ts';

export interface SimulatedTelephoneOptions {
  /** An IP address, for SIP and RTP. */
  host: string;
  /** UDP and TCP; 0 takes a free one. */
  port: number;
  log: Logger;
  clock: Clock;
  /** Where calls that ended are kept; undefined keeps them in memory. */
  dataDir: string | undefined;
  /** With a password, INVITEs are challenged (401). */
  realm?: string;
  username?: string;
  password?: string;
  /** From the INVITE to the answer. */
  ringMs?: number;
  observer?: TelephoneObserver;
}

/** For measurements; whatever it does delays every call. */
export interface TelephoneObserver {
  /** A packet of speech came, the first time. @param atMs of `performance.now()` */
  heard(call: SimulatedCall, atMs: number): void;
  ended(call: SimulatedCall): void;
}

const RING_MS = 200;
/** RFC 3261 §16.6 leaves a ringing call 3 minutes at least (timer C). */
const MAX_RING_MS = 180_000;
/** A caller that went away without a word. */
const MAX_SILENCE_MS = 60_000;
const MAX_CALL_MS = 15 * 60_000;
const MAX_CALLS = 2_000;
const FAREWELL_MS = 50;
const PORT_ATTEMPTS = 5;
const REALM = 'feige';
const USERNAME = 'feige';

const NOWHERE = { port: 9, payloadType: 8, dtmfPayloadType: undefined, held: true } as const;

type Answer = Extract<CalleeBehaviour, { kind: 'answer' }>;

/** A call that goes on. */
interface Ongoing {
  call: SimulatedCall;
  session: CalleeSession;
  line: CalleeLine | undefined;
  /** What it does next, one thing at a time. */
  timer: NodeJS.Timeout | undefined;
  /** Nothing was heard for too long; hanging up is under way. */
  isAbandoned: boolean;
  ended: boolean;
}

export class SimulatedTelephone {
  readonly calls: CallStore;
  readonly #options: SimulatedTelephoneOptions;
  readonly #log: Logger;
  readonly #archive: CallArchive | undefined;
  readonly #ongoing = new Set<Ongoing>();
  #server: SipCalleeServer | undefined;
  #ticker: NodeJS.Timeout | undefined;

  constructor(options: SimulatedTelephoneOptions) {
    this.#options = options;
    this.#log = options.log;
    const { dataDir, log } = options;
    const onFault = (error: unknown): void => log.warn({ err: error }, 'simulated telephone: a call could not be kept');
    this.#archive = dataDir === undefined ? undefined : new CallArchive({ dataDir, onFault });
    this.calls = new CallStore({
      newId: randomUUID,
      onEnded: (call) => {
        options.observer?.ended(call);
        this.#archive?.save(call);
      },
      onDropped: (call) => this.#archive?.remove(call.id),
    });
  }

  /** Calls that ring or are answered. */
  get ongoing(): number {
    return this.#ongoing.size;
  }

  /** Rejects, with nothing left behind, when the port is taken or the data directory unusable. */
  async start(): Promise<{ port: number }> {
    const port = await this.#listenSomewhere();
    try {
      for (const { call, heard } of this.#archive?.load() ?? []) this.calls.restore(call, heard);
    } catch (error) {
      await this.stop();
      throw error;
    }
    this.#log.info({ port }, 'simulated telephone listens');
    return { port };
  }

  /** Hangs up and lets go of the port. */
  async stop(): Promise<void> {
    const hadCalls = this.#ongoing.size > 0;
    for (const { session } of this.#ongoing) session.hangUp();
    // The server ends without a word; what was said last has to leave first.
    if (hadCalls) await pause(FAREWELL_MS);
    await this.#server?.stop();
    this.#server = undefined;
    for (const ongoing of this.#ongoing) this.#end(ongoing, { by: 'phone' });
    clearInterval(this.#ticker);
    this.#ticker = undefined;
    this.calls.stop();
    await this.#archive?.stop();
  }

  async #listenSomewhere(): Promise<number> {
    const { host, port } = this.#options;
    for (let attempt = 1; ; attempt += 1) {
      const candidate = port === 0 ? await freePort(host) : port;
      try {
        await this.#listen(candidate);
        return candidate;
      } catch (error) {
        // It was free for TCP a moment ago; it need not be for UDP.
        if (port !== 0 || attempt === PORT_ATTEMPTS) throw error;
      }
    }
  }

  async #listen(port: number): Promise<void> {
    const { host, log, realm = REALM, username = USERNAME, password } = this.#options;
    const challenge = password === undefined ? undefined : new CalleeChallenge({ realm, username, password });
    const server = new SipCalleeServer({
      bind: { address: host, udpPort: port, tcpPort: port },
      log,
      authorize: (request) => {
        const headers = challenge?.judge(request, performance.now());
        return headers && { status: 401, headers };
      },
      onInvite: (session) => this.#takeCall(session),
    });
    await server.start();
    this.#server = server;
  }

  #takeCall(session: CalleeSession): void {
    const { number, behaviour } = behaviourOf(session.dialled);
    if (number === undefined || this.#ongoing.size >= MAX_CALLS) {
      session.refuse(number === undefined ? 404 : 503);
      return;
    }
    const call = this.calls.begin({
      callId: session.callId,
      number,
      from: session.caller,
      atMs: this.#options.clock.now(),
    });
    const ongoing: Ongoing = { call, session, line: undefined, timer: undefined, isAbandoned: false, ended: false };
    this.#ongoing.add(ongoing);
    session.handlers = {
      onMediaChanged: (media) => {
        if (ongoing.line !== undefined) ongoing.line.remote = media;
      },
      onEnded: (end) => this.#end(ongoing, endOf(end)),
    };
    this.#treat(ongoing, behaviour);
  }

  #treat(ongoing: Ongoing, behaviour: CalleeBehaviour): void {
    const { session } = ongoing;
    const { ringMs = RING_MS } = this.#options;
    if (behaviour.kind !== 'refuse') session.progress(180);
    switch (behaviour.kind) {
      case 'refuse':
        session.refuse(behaviour.status);
        return;
      case 'ring-only':
        this.#later(ongoing, MAX_RING_MS, () => session.refuse(480));
        return;
      case 'decline':
        this.#later(ongoing, ringMs, () => session.refuse(behaviour.status));
        return;
      case 'answer':
        this.#later(ongoing, ringMs, () => this.#answer(ongoing, behaviour));
        return;
    }
  }

  #answer(ongoing: Ongoing, behaviour: Answer): void {
    const { session, call } = ongoing;
    const { host, clock } = this.#options;
    // An INVITE without an offer: where the caller listens comes with its ACK.
    const remote = session.offered ?? { ...NOWHERE, address: host };
    openLineSocket(host).then(
      (socket) => {
        if (!ongoing.ended) session.answer({ address: host, port: socket.port });
        // It was cancelled meanwhile, or nothing fits in what it offered.
        if (ongoing.ended) {
          socket.socket.close();
          return;
        }
        const codec: CallCodec = remote.payloadType === 0 ? 'PCMU' : 'PCMA';
        const recording = this.calls.answer(call, { atMs: clock.now(), codec });
        const { speaks, presses, hangUpAfterMs = MAX_CALL_MS } = behaviour;
        const { observer } = this.#options;
        const onHeard = observer && ((atMs: number) => observer.heard(call, atMs));
        ongoing.line = new CalleeLine(socket, { call, recording, speaks, presses, remote, onHeard }, performance.now());
        this.#ticker ??= setInterval(() => this.#tick(), FRAME_MS).unref();
        this.#later(ongoing, hangUpAfterMs, () => session.hangUp());
      },
      (error: unknown) => {
        this.#log.warn({ err: error }, 'simulated telephone: no port for RTP');
        if (!ongoing.ended) session.refuse(500);
      },
    );
  }

  /** One timer for all calls: 500 of their own would cost more than what they do. */
  #tick(): void {
    const nowMs = performance.now();
    let lines = 0;
    for (const ongoing of this.#ongoing) {
      if (ongoing.line === undefined) continue;
      lines += 1;
      ongoing.line.tick(nowMs);
      if (nowMs - ongoing.line.heardMs > MAX_SILENCE_MS && !ongoing.isAbandoned) {
        ongoing.isAbandoned = true;
        ongoing.session.hangUp();
      }
    }
    if (lines > 0) return;
    clearInterval(this.#ticker);
    this.#ticker = undefined;
  }

  #end(ongoing: Ongoing, end: { by: CallEndedBy; status?: number }): void {
    if (ongoing.ended) return;
    ongoing.ended = true;
    clearTimeout(ongoing.timer);
    ongoing.line?.close();
    this.#ongoing.delete(ongoing);
    this.calls.end(ongoing.call, { atMs: this.#options.clock.now(), ...end });
  }

  /** One at a time for a call. */
  #later(ongoing: Ongoing, delayMs: number, run: () => void): void {
    clearTimeout(ongoing.timer);
    ongoing.timer = setTimeout(run, delayMs).unref();
  }
}

function endOf(end: CalleeEnd): { by: CallEndedBy; status?: number } {
  switch (end.kind) {
    case 'refused':
      return { by: 'phone', status: end.status };
    case 'cancelled':
      return { by: 'caller', status: 487 };
    case 'hung-up':
      return { by: end.by === 'us' ? 'phone' : 'caller' };
    case 'no-ack':
      return { by: 'phone' };
  }
}

/** A port that is free for TCP; SIP wants the same one for UDP. */
function freePort(host: string): Promise<number> {
  const probe = createServer();
  return new Promise((resolve, reject) => {
    probe.once('error', reject);
    probe.listen(0, host, () => {
      const { port } = probe.address() as AddressInfo;
      probe.close(() => resolve(port));
    });
  });
}
