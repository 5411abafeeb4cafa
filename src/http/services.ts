/** What the HTTP server and its routes work with, handed in by main. */
import type { Clock } from '../base/clock.ts';
import type { Logger } from '../base/log.ts';
import type { Metrics } from '../base/metrics.ts';
import type { PriceTable } from '../domain/price.ts';
import type { DrurlCheck } from '../outgoing/drurl-check.ts';
import type { Acceptance } from '../sms/accept.ts';
import type { IncomingQuery } from '../sms/incoming-query.ts';
import type { MessageQuery } from '../sms/query.ts';
import type { AccountDirectory } from '../store/accounts.ts';
import type { TariffTable } from '../domain/voice-tariff.ts';
import type { CallAcceptance } from '../voice/accept.ts';
import type { CallQuery } from '../voice/query.ts';
import type { RecordingIntake } from '../voice/take-recording.ts';

export interface HttpServices {
  config: {
    /** CIDRs whose X-Forwarded-For is believed. */
    trustedProxies: readonly string[];
    /** To each listener at once, 10,000 unless told; more are closed. */
    maxConnections?: number;
  };
  accounts: Pick<AccountDirectory, 'find' | 'forget' | 'readBalance'>;
  acceptance: Pick<Acceptance, 'accept'>;
  messages: Pick<MessageQuery, 'lookUp' | 'deleteScheduled'>;
  incoming: Pick<IncomingQuery, 'find'>;
  drurlCheck: Pick<DrurlCheck, 'check' | 'isForbiddenLiteral'>;
  clock: Clock;
  log: Logger;
  metrics: Pick<Metrics, 'answers' | 'passwordHashes'>;
  prices: PriceTable;
  /** Whether everything that a request needs is up. */
  ready: () => boolean;
  mount?: Mount | undefined;
  /** Absent: there are no voice endpoints. */
  voice?: VoiceServices | undefined;
}

export interface VoiceServices {
  acceptance: Pick<CallAcceptance, 'accept'>;
  calls: Pick<CallQuery, 'lookUp'>;
  recordings: Pick<RecordingIntake, 'take'>;
  tariffs: TariffTable;
  /** What may be called at all: digits with country code, an empty one allows every number. */
  allowedPrefixes: readonly string[];
}

/** Routes that another room brings along, under a path of their own. */
export interface Mount {
  /** Begins and ends with a slash. */
  prefix: string;
  handle(request: MountedRequest): Promise<MountedAnswer>;
}

export interface MountedAnswer {
  status: number;
  body: string | Buffer;
  /** `application/json; charset=utf-8` unless given. */
  contentType?: string;
}

export interface MountedRequest {
  method: string;
  /** The whole path, percent-encoding as it came. */
  path: string;
  query: URLSearchParams;
  /** Names in lower case. */
  headers: Readonly<Record<string, string | string[] | undefined>>;
  /** Empty when there is none. */
  body: Buffer;
}
