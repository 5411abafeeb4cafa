/** /query_voice.php: what became of a call (voice §3); errors in the order -3, -2, -1, -4, -5 (point 26). */
import type { IncomingMessage } from 'node:http';
import type { Code } from '../../domain/codes.ts';
import { displayMobile } from '../../domain/phone-number.ts';
import type { VoiceQueryCode } from '../../domain/voice-codes.ts';
import type { Authenticator } from '../authenticate.ts';
import type { Parameters } from '../parameters.ts';
import type { VoiceServices } from '../services.ts';
import type { VoiceAnswer } from './voice-endpoint.ts';

const MSGID = /^\d{8,11}$/;

/** What the authenticator refuses with, in this endpoint's words; anything else is a fault of the system. */
const CODES: Partial<Record<Code, VoiceQueryCode>> = {
  '00010': '-3',
  '00011': '-3',
  '00012': '-3',
  '00040': '-2',
  '00030': '-1',
  '00041': '-1',
};

export class VoiceQuery {
  readonly #calls: VoiceServices['calls'];
  readonly #authenticator: Authenticator;

  constructor(services: Pick<VoiceServices, 'calls'>, authenticator: Authenticator) {
    this.#calls = services.calls;
    this.#authenticator = authenticator;
  }

  /** Rejects when the database does not answer. */
  async answer(parameters: Parameters, request: IncomingMessage): Promise<VoiceAnswer> {
    const authentication = await this.#authenticator.authenticate(
      parameters.credential('username'),
      parameters.credential('password'),
      request,
    );
    if (!authentication.ok) return CODES[authentication.code] ?? '-99';
    const msgid = parameters.text('msgid')?.trim() ?? '';
    if (!MSGID.test(msgid)) return '-4';
    const { accountId } = authentication.account;
    const found = await this.#calls.lookUp({ accountId, msgid: Number(msgid) });
    switch (found.kind) {
      case 'not-found':
        return '-4';
      case 'pending':
        return '-5';
      case 'final':
        return [msgid, displayMobile(found.phone), found.seconds, found.points, found.state];
    }
  }
}
