/** /send_voice.php: the checks of spec README point 26 in their order, then acceptance. */
import type { IncomingMessage } from 'node:http';
import type { Logger } from '../../base/log.ts';
import type { Code } from '../../domain/codes.ts';
import { undoDoubleEncoding } from '../../domain/text.ts';
import type { VoiceSendCode } from '../../domain/voice-codes.ts';
import { expectedSpeechMs, longestCallSeconds, roughSpeechMs } from '../../domain/voice-length.ts';
import { type ValidVoice, validateVoice, type VoiceParameters } from '../../domain/voice-request.ts';
import { pointsForSeconds, type Tariff, tariffOf } from '../../domain/voice-tariff.ts';
import type { Account } from '../../store/accounts.ts';
import type { AcceptOutcome } from '../../store/charged-batches.ts';
import type { NewCall } from '../../voice/accept.ts';
import type { Authenticator } from '../authenticate.ts';
import type { Parameters } from '../parameters.ts';
import type { HttpServices, VoiceServices } from '../services.ts';
import type { VoiceAnswer } from './voice-endpoint.ts';

/** How often a request is judged again because its account was changed meanwhile. */
const MAX_ACCOUNT_CHANGES = 2;

export type VoiceSendServices = Omit<VoiceServices, 'calls'> &
  Pick<HttpServices, 'accounts'> & { readonly log: Logger };

interface Content {
  readonly recordingId: number | undefined;
  /** Of one play. */
  readonly playMs: number;
}

/** What the authenticator refuses with, in this endpoint's words; anything else is a fault of the system. */
const CODES: Partial<Record<Code, VoiceSendCode>> = {
  '00010': '-4',
  '00011': '-4',
  '00012': '-4',
  '00040': '-3',
  '00030': '-1',
  '00041': '-1',
};

export class VoiceSend {
  readonly #services: VoiceSendServices;
  readonly #authenticator: Authenticator;

  constructor(services: VoiceSendServices, authenticator: Authenticator) {
    this.#services = services;
    this.#authenticator = authenticator;
  }

  /** Rejects only before anything can have been stored. */
  async answer(parameters: Parameters, request: IncomingMessage): Promise<VoiceAnswer> {
    for (let changes = 0; changes <= MAX_ACCOUNT_CHANGES; changes++) {
      const asked = this.#authenticator.authenticate(
        parameters.credential('username'),
        parameters.credential('password'),
        request,
      );
      const authentication = asked instanceof Promise ? await asked : asked;
      if (!authentication.ok) return CODES[authentication.code] ?? '-99';
      const answer = await this.#send(authentication.account, parameters);
      if (answer !== 'account-changed') return answer;
      this.#services.accounts.forget(authentication.account.username);
    }
    return '-99';
  }

  async #send(account: Account, parameters: Parameters): Promise<VoiceAnswer | 'account-changed'> {
    const { allowedPrefixes, tariffs } = this.#services;
    const rules = { international: account.international, allowedPrefixes };
    const verdict = validateVoice(readVoiceParameters(account, parameters), rules);
    if (!verdict.ok) return verdict.code;
    const { call } = verdict;
    const tariff = tariffOf(tariffs, call.phone.e164);
    // A recording's length is not known yet: it costs one unit at least.
    const spoken = call.speech && speechContent(call.body, call.speech.speed, call, tariff);
    const least = spoken === undefined ? tariff.points : priceOf(call, spoken, tariff);
    if (!(await this.#hasPoints(account, least))) return '-2';
    const content = spoken ?? (await this.#takeRecording(account, call));
    if (typeof content === 'string') return content;
    const points = priceOf(call, content, tariff);
    try {
      const outcome = await this.#services.acceptance.accept(newCall(account, call, content, { tariff, points }));
      return answerTo(outcome, account, points);
    } catch (error) {
      // It may have been stored, so any answer could be wrong.
      this.#services.log.error({ err: error }, 'acceptance of a call failed in a way it must not');
      return 'no-answer';
    }
  }

  async #hasPoints(account: Account, points: number): Promise<boolean> {
    if (account.balance >= points) return true;
    // The balance in memory is only a hint: a top-up must count at once.
    account.balance = (await this.#services.accounts.readBalance(account.accountId)) ?? 0;
    return account.balance >= points;
  }

  async #takeRecording(account: Account, call: ValidVoice): Promise<Content | VoiceSendCode> {
    if (call.voiceUrl === undefined) return '-12';
    const taken = await this.#services.recordings.take(call.voiceUrl, account.accountId);
    return taken.ok ? taken : taken.code;
  }
}

/** The rough length if it costs no more than the minimum price; otherwise that of the text as it will be read aloud. */
function speechContent(body: string, speed: number, call: ValidVoice, tariff: Tariff): Content {
  const rough = { recordingId: undefined, playMs: roughSpeechMs(body, speed) };
  if (priceOf(call, rough, tariff) <= tariff.points) return rough;
  return { recordingId: undefined, playMs: Math.min(rough.playMs, expectedSpeechMs(body, speed)) };
}

function priceOf(call: ValidVoice, content: Content, tariff: Tariff): number {
  return pointsForSeconds(tariff, longestCallSeconds(content.playMs, call.replay));
}

function newCall(
  account: Account,
  call: ValidVoice,
  content: Content,
  price: { tariff: Tariff; points: number },
): NewCall {
  return {
    accountId: account.accountId,
    accountVersion: account.version,
    phone: call.phone.e164,
    type: call.speech === undefined ? 2 : 1,
    body: call.body,
    voice: call.speech?.voice ?? 0,
    speed: call.speech?.speed ?? 0,
    volume: call.speech?.volume ?? 0,
    recordingId: content.recordingId,
    replayMode: call.replay.mode,
    replayTimes: call.replay.times,
    response: call.response,
    unitPoints: price.tariff.points,
    unitSeconds: price.tariff.unitSeconds,
    points: price.points,
  };
}

function readVoiceParameters(account: Account, parameters: Parameters): VoiceParameters {
  const message = parameters.message(account.textEncoding);
  return {
    type: parameters.text('type'),
    phone: parameters.text('phone'),
    message:
      message === undefined ? undefined : undoDoubleEncoding(message, account.doubleEncoding, account.textEncoding),
    voice: parameters.text('voice'),
    speed: parameters.text('speed'),
    vol: parameters.text('vol'),
    voiceUrl: parameters.text('voice_url'),
    response: parameters.text('response'),
    replay: parameters.text('replay'),
    replayTimes: parameters.text('replay_times'),
  };
}

function answerTo(outcome: AcceptOutcome, account: Account, points: number): VoiceAnswer | 'account-changed' {
  switch (outcome.kind) {
    case 'accepted':
      account.balance -= points;
      return [outcome.msgid, points];
    case 'insufficient-points':
      // Makes the next request read the balance before it joins a batch.
      account.balance = 0;
      return '-2';
    case 'account-changed':
      return 'account-changed';
    case 'not-stored':
    case 'unreachable':
      return '-99';
    case 'unresolved':
      return 'no-answer';
  }
}
