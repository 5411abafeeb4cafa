/** /json/sms_query.php: what became of a message, what points are left, deletion of a scheduled message (spec §4). */
import type { IncomingMessage } from 'node:http';
import { finalAnswer, pointsAnswer } from '../../domain/answers.ts';
import { parseMobile } from '../../domain/phone-number.ts';
import type { Account } from '../../store/accounts.ts';
import { type Answer, fixedAnswer, jsonAnswer } from '../answer.ts';
import type { Authenticator } from '../authenticate.ts';
import type { Parameters } from '../parameters.ts';
import type { HttpServices } from '../services.ts';

const MSGID = /^\d{8,11}$/;
const BLANKS_AND_DASHES = /[\s-]+/g;
const NUMBER = /^\+?\d+$/;

interface MessageReference {
  accountId: number;
  msgid: number;
  /** E.164 digits. */
  mobile: string;
}

export class SmsQuery {
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
    const { account } = authentication;
    if (parameters.text('checkpoint') === 'Y') return this.#points(account);
    const reference = readReference(account, parameters);
    if (reference === 'malformed') return fixedAnswer('00420');
    if (reference === 'nobody') return fixedAnswer('00300');
    // `deltime` in the older editions and in every client (point 8).
    const deletes = parameters.text('delttime') === 'Y' || parameters.text('deltime') === 'Y';
    return deletes ? this.#delete(reference) : this.#lookUp(reference, parameters.text('outrange') === 'Y');
  }

  async #points(account: Account): Promise<Answer> {
    const balance = await this.#services.accounts.readBalance(account.accountId);
    if (balance === undefined) return fixedAnswer('00011');
    account.balance = balance;
    return jsonAnswer(pointsAnswer(balance));
  }

  async #delete(reference: MessageReference): Promise<Answer> {
    const isDeleted = await this.#services.messages.deleteScheduled(reference);
    return fixedAnswer(isDeleted ? '00000' : '00300');
  }

  async #lookUp(reference: MessageReference, outrange: boolean): Promise<Answer> {
    const found = await this.#services.messages.lookUp({ ...reference, outrange });
    switch (found.kind) {
      case 'not-found':
        return fixedAnswer('00300');
      case 'scheduled':
        return fixedAnswer('00310');
      case 'pending':
        return fixedAnswer('00001');
      case 'final':
        return jsonAnswer(finalAnswer(found));
    }
  }
}

/** `nobody`: a number to which no message can have been sent. */
function readReference(account: Account, parameters: Parameters): MessageReference | 'malformed' | 'nobody' {
  const msgid = parameters.text('msgid')?.trim() ?? '';
  const mobile = parameters.text('mobile') ?? '';
  if (!MSGID.test(msgid) || !NUMBER.test(mobile.replace(BLANKS_AND_DASHES, ''))) return 'malformed';
  const parsed = parseMobile(mobile);
  if (parsed === undefined) return 'nobody';
  return { accountId: account.accountId, msgid: Number(msgid), mobile: parsed.e164 };
}
