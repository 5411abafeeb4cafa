/**
 * Builds the voice stages, each with what it needs and nothing more: accepted calls wait in rows, are claimed, spoken,
 * dialled and settled. It starts them from the far end, so that nothing is queued before someone looks there, and stops
 * them from the near end.
 */
import { isIP } from 'node:net';
import type { Clock } from '../base/clock.ts';
import type { Logger } from '../base/log.ts';
import { Periodic } from '../base/periodic.ts';
import type { AddressRules } from '../outgoing/address-rules.ts';
import { LocalAddresses } from '../sip/local-addresses.ts';
import type { BoundPorts } from '../sip/transport.ts';
import { SipUserAgent } from '../sip/user-agent.ts';
import { dropUnusedRecordings } from '../store/call-recordings.ts';
import type { SettledCall } from '../store/call-settlement.ts';
import type { Database } from '../store/database.ts';
import type { EpochHolder } from '../store/node-lease.ts';
import { CallAcceptance } from './accept.ts';
import { CallContent } from './content.ts';
import { CallDispatch } from './dispatch.ts';
import { RecordingFetcher } from './fetch-recording.ts';
import { CallMedia } from './media.ts';
import type { PacketSpacing } from './player/spacing.ts';
import { CallQuery } from './query.ts';
import { CallRecorder } from './settle.ts';
import type { SpeechDriver } from './speech/driver.ts';
import { CallTakeOver } from './take-over.ts';
import { RecordingIntake } from './take-recording.ts';
import { TrunkDirectory } from './trunk-directory.ts';
import { TrunkLanes } from './trunk-lanes.ts';

/** Results that the database has not taken by then are left for the node that takes over. */
const RECORD_PATIENCE_MS = 8_000;
const DROP_RECORDINGS_EVERY_MS = 600_000;
/** Of one RTP thread. */
const MAX_CALLS = 500;

export interface VoiceSettings {
  /** IP address for SIP and RTP. */
  readonly bindAddress: string;
  /** UDP and TCP; 0 takes free ones. */
  readonly sipPort: number;
  /** What Via, Contact and SDP say instead of the bound address. */
  readonly publicAddress: string | undefined;
  readonly rtpPorts: { readonly first: number; readonly last: number };
  readonly ringTimeoutMs: number;
  readonly callsPerAccount: number;
  readonly callsPerSecondPerAccount: number;
}

export interface VoiceHooks {
  readonly batch: (stage: 'accept-calls', rows: number) => void;
  readonly unresolved: (calls: number) => void;
  readonly settled: (calls: readonly SettledCall[]) => void;
  /** A callback may be owed now. */
  readonly callbackOwed: () => void;
}

export interface VoiceOptions {
  readonly database: Database;
  readonly clock: Clock;
  readonly lease: EpochHolder;
  readonly log: Logger;
  readonly rules: AddressRules;
  readonly speech: SpeechDriver;
  readonly acceptLingerMs: number;
  readonly settings: VoiceSettings;
  readonly hooks: VoiceHooks;
  /** See `CallDispatchOptions`. */
  readonly lookAgainAfterMs?: number;
}

export class VoicePipeline {
  readonly acceptance: CallAcceptance;
  readonly calls: CallQuery;
  readonly recordings: RecordingIntake;
  readonly #speech: SpeechDriver;
  readonly #agent: SipUserAgent;
  readonly #media: CallMedia;
  readonly #directory: TrunkDirectory;
  readonly #recorder: CallRecorder;
  readonly #dispatch: CallDispatch;
  readonly #takeOver: CallTakeOver;
  readonly #cleaner: Periodic;

  constructor(options: VoiceOptions) {
    const { database, clock, lease, log, hooks, settings } = options;
    const shared = { database, clock, log };
    const { bindAddress, publicAddress, rtpPorts } = settings;
    const onQueued = (): void => this.#dispatch.wake();
    this.#speech = options.speech;
    this.#agent = new SipUserAgent({
      bind: { address: bindAddress, udpPort: settings.sipPort, tcpPort: settings.sipPort },
      publicAddress,
      log,
      clock,
    });
    this.#media = new CallMedia({
      clock,
      log,
      bind: { address: bindAddress, firstPort: rtpPorts.first, lastPort: rtpPorts.last },
    });
    this.#directory = new TrunkDirectory({ database, agent: this.#agent, log });
    const onSettled = (calls: readonly SettledCall[]): void => {
      hooks.settled(calls);
      hooks.callbackOwed();
    };
    this.#recorder = new CallRecorder({ ...shared, onSettled });
    const addresses = new LocalAddresses(bindAddress, publicAddress);
    this.#dispatch = new CallDispatch({
      ...shared,
      lease,
      agent: this.#agent,
      media: this.#media,
      directory: this.#directory,
      recorder: this.#recorder,
      content: new CallContent({ speech: options.speech, database }),
      lanes: new TrunkLanes({ shareOf: (allowed) => this.#directory.shareOf(allowed) }),
      mediaAddressFor: (host) => addresses.towards(isIP(host) === 0 ? '' : host),
      ringTimeoutMs: settings.ringTimeoutMs,
      maxCalls: MAX_CALLS,
      callsPerAccount: settings.callsPerAccount,
      callsPerSecondPerAccount: settings.callsPerSecondPerAccount,
      lookAgainAfterMs: options.lookAgainAfterMs,
    });
    this.#takeOver = new CallTakeOver({ ...shared, lease, recorder: this.#recorder, onQueued, onSettled });
    this.#cleaner = new Periodic({
      everyMs: DROP_RECORDINGS_EVERY_MS,
      run: async () => (await dropUnusedRecordings(database, clock.now())) > 0,
      onError: (error) => log.warn({ err: error }, 'old recordings could not be dropped'),
    });
    this.acceptance = new CallAcceptance({
      ...shared,
      lingerMs: options.acceptLingerMs,
      onQueued,
      onBatch: (rows) => hooks.batch('accept-calls', rows),
      onUnresolved: hooks.unresolved,
    });
    this.calls = new CallQuery({ database });
    this.recordings = new RecordingIntake({
      fetcher: new RecordingFetcher({ rules: options.rules }),
      database,
      clock,
    });
  }

  /** Gives the ports that SIP listens on. Rejects when one is taken; stop it then, too. */
  async start(): Promise<BoundPorts> {
    await this.#media.start();
    const ports = await this.#agent.start();
    await this.#directory.start();
    this.#takeOver.start();
    this.#dispatch.start();
    this.#cleaner.start();
    return ports;
  }

  /** How evenly RTP packets leave. */
  get packetSpacing(): PacketSpacing {
    return this.#media.spacing;
  }

  /** Call it when no request comes any more. Resolves when everything known is committed. */
  async stop(): Promise<void> {
    this.#recorder.giveUpAfter(RECORD_PATIENCE_MS);
    await this.acceptance.stop();
    await Promise.all([this.#cleaner.stop(), this.#takeOver.stop()]);
    await this.#dispatch.stop();
    await this.#directory.stop();
    await this.#agent.stop();
    await this.#recorder.stop();
    await Promise.all([this.#media.stop(), this.#speech.stop()]);
  }

  /** The node has no epoch any more. */
  loseLease(): void {
    this.#dispatch.loseLease();
  }
}
