/** /json/sms_send.php: the checks of spec README point 17 in their order, then acceptance. */
import type { IncomingMessage } from 'node:http';
import type { Code } from '../../domain/codes.ts';
import { type SendParameters, type ValidSend, validateSend } from '../../domain/send-request.ts';
import { undoDoubleEncoding } from '../../domain/text.ts';
import type { Account } from '../../store/accounts.ts';
import type { AcceptOutcome } from '../../store/charged-batches.ts';
import { type Answer, fixedAnswer, sentAnswer } from '../answer.ts';
import type { Authenticator } from '../authenticate.ts';
import type { Parameters } from '../parameters.ts';
import type { HttpServices } from '../services.ts';

/** How often a request is judged again because its account was changed meanwhile. */
const MAX_ACCOUNT_CHANGES = 2;

export class SmsSend {
  readonly #services: HttpServices;
  readonly #authenticator: Authenticator;

  constructor(services: HttpServices, authenticator: Authenticator) {
    this.#services = services;
    this.#authenticator = authenticator;
  }

  /** Never rejects for anything a client or the database can do. */
  async answer(parameters: Parameters, request: IncomingMessage): Promise<Answer> {
    for (let changes = 0; changes <= MAX_ACCOUNT_CHANGES; changes++) {
      const asked = this.#authenticator.authenticate(
        parameters.credential('username'),
        parameters.credential('password'),
        request,
      );
      const authentication = asked instanceof Promise ? await asked : asked;
      if (!authentication.ok) return fixedAnswer(authentication.code);
      const answer = await this.#send(authentication.account, parameters);
      if (answer !== 'account-changed') return answer;
      this.#services.accounts.forget(authentication.account.username);
    }
    return fixedAnswer('99998');
  }

  async #send(account: Account, parameters: Parameters): Promise<Answer | 'account-changed'> {
    const { clock, prices } = this.#services;
    const rules = { international: account.international, prices, nowMs: clock.now() };
    const verdict = validateSend(readSendParameters(account, parameters), rules);
    if (!verdict.ok) return fixedAnswer(verdict.code);
    const refusal = this.#checkDrurlAndPoints(account, verdict.send);
    if (refusal !== undefined) {
      const code = await refusal;
      if (code !== undefined) return fixedAnswer(code);
    }
    try {
      const outcome = await this.#accept(account, verdict.send);
      return answerTo(outcome, account, verdict.send.points);
    } catch (error) {
      // It may have been stored, so any answer could be wrong.
      this.#services.log.error({ err: error }, 'acceptance failed in a way it must not');
      return 'no-answer';
    }
  }

  /** 00140, 00020, 00170; undefined at once when nothing has to be asked. */
  #checkDrurlAndPoints(account: Account, send: ValidSend): Promise<Code | undefined> | undefined {
    const { drurlCheck } = this.#services;
    if (send.drurl !== undefined && drurlCheck.isForbiddenLiteral(send.drurl)) return Promise.resolve('00140');
    if (account.balance >= send.points && (send.drurl === undefined || !send.checkDrurl)) return undefined;
    return this.#askForDrurlAndPoints(account, send);
  }

  async #askForDrurlAndPoints(account: Account, send: ValidSend): Promise<Code | undefined> {
    const { accounts, drurlCheck } = this.#services;
    if (account.balance < send.points) {
      // The balance in memory is only a hint: a top-up must count at once.
      try {
        account.balance = (await accounts.readBalance(account.accountId)) ?? 0;
      } catch {
        return '99999';
      }
      if (account.balance < send.points) return '00020';
    }
    if (send.drurl === undefined || !send.checkDrurl) return undefined;
    return (await drurlCheck.check(send.drurl, account.accountId)) ? undefined : '00170';
  }

  #accept(account: Account, send: ValidSend): Promise<AcceptOutcome> {
    return this.#services.acceptance.accept({
      accountId: account.accountId,
      accountVersion: account.version,
      mobile: send.mobile.e164,
      body: send.body,
      segments: send.segments,
      points: send.points,
      dueAtMs: send.dueAtMs,
      validitySeconds: send.validitySeconds,
      drurl: send.drurl,
      sourceAddress: account.sourceAddress,
    });
  }
}

function readSendParameters(account: Account, parameters: Parameters): SendParameters {
  const message = parameters.message(account.textEncoding);
  return {
    sendtime: parameters.text('sendtime'),
    expirytime: parameters.text('expirytime'),
    mobile: parameters.text('mobile'),
    message:
      message === undefined ? undefined : undoDoubleEncoding(message, account.doubleEncoding, account.textEncoding),
    drurl: parameters.text('drurl'),
    drurlCheck: parameters.text('drurl_check'),
    lmsg: parameters.text('lmsg'),
  };
}

function answerTo(outcome: AcceptOutcome, account: Account, points: number): Answer | 'account-changed' {
  switch (outcome.kind) {
    case 'accepted':
      account.balance -= points;
      return sentAnswer(outcome.msgid);
    case 'insufficient-points':
      // Makes the next request read the balance before it joins a batch.
      account.balance = 0;
      return fixedAnswer('00020');
    case 'account-changed':
      return 'account-changed';
    case 'not-stored':
      return fixedAnswer('99998');
    case 'unreachable':
      return fixedAnswer('99999');
    case 'unresolved':
      return 'no-answer';
  }
}
