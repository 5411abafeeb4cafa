/** /json/smsmo_query.php: what arrived for a two-way number on one day (spec §5). */
import type { IncomingMessage } from 'node:http';
import { incomingAnswer, incomingRow } from '../../domain/answers.ts';
import { parseDay, taipeiDay } from '../../domain/taipei-time.ts';
import { type Answer, fixedAnswer, jsonAnswer } from '../answer.ts';
import type { Authenticator } from '../authenticate.ts';
import type { Parameters } from '../parameters.ts';
import type { HttpServices } from '../services.ts';

const SNUMBER = /^\d{5}$/;
const SEQ = /^\d{1,15}$/;

export class SmsmoQuery {
  readonly #services: HttpServices;
  readonly #authenticator: Authenticator;

  constructor(services: HttpServices, authenticator: Authenticator) {
    this.#services = services;
    this.#authenticator = authenticator;
  }

  /** Rejects when the database does not answer. */
  async answer(parameters: Parameters, request: IncomingMessage): Promise<Answer> {
    const authentication = await this.#authenticator.authenticate(
      parameters.credential('username'),
      parameters.credential('password'),
      request,
    );
    if (!authentication.ok) return fixedAnswer(authentication.code);
    const { clock, incoming } = this.#services;
    const snumber = parameters.text('snumber') ?? '';
    const day = parseDay(parameters.text('sdate') ?? taipeiDay(clock.now()));
    const afterSeq = parameters.text('afterseq');
    if (!SNUMBER.test(snumber) || day === undefined) return fixedAnswer('00430');
    if (afterSeq !== undefined && !SEQ.test(afterSeq)) return fixedAnswer('00430');
    const found = await incoming.find({
      accountId: authentication.account.accountId,
      snumber,
      ...day,
      ...(afterSeq !== undefined && { afterSeq: Number(afterSeq) }),
    });
    if (found.kind === 'unknown-number') return fixedAnswer('00400');
    if (found.rows.length === 0) return fixedAnswer('00410');
    return jsonAnswer(incomingAnswer(found.rows.map(incomingRow), found.more));
  }
}
