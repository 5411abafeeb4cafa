/**
 * The requests of the benchmark. Every one has a recipient and a text of its own; every other text is Chinese, which
 * is UCS-2 on the way to the operator and three times as long in the URL.
 */

import { mobileDigits } from './instants.ts';

/** An account of the platform under test, and where its callbacks go. */
export interface Customer {
  readonly username: string;
  readonly password: string;
  /** Absent: no callback is asked for. */
  readonly drurl: string | undefined;
}

export type RequestKind = 'send' | 'constant';

const CHINESE = encodeURIComponent('您的驗證碼是');
const CHINESE_REST = encodeURIComponent('，請於十分鐘內輸入，切勿告訴他人。');
const LATIN = 'Your+code+is+';
const LATIN_REST = '.+It+is+valid+for+ten+minutes.+Do+not+share+it+with+anybody.';

export class RequestWriter {
  readonly #beginnings: readonly string[];
  readonly #endings: readonly string[];
  #number: number;

  /**
   * @param options.kind `constant`: the same query string to a path that answers the same every time
   * @param options.firstRecipient number of the first recipient, from which they are counted on; 0 unless given
   */
  constructor(options: {
    kind: RequestKind;
    host: string;
    port: number;
    customers: readonly Customer[];
    firstRecipient?: number;
  }) {
    this.#number = options.firstRecipient ?? 0;
    const path = options.kind === 'send' ? '/json/sms_send.php' : '/healthz';
    this.#beginnings = options.customers.map(
      ({ username, password }) => `GET ${path}?username=${username}&password=${password}&mobile=09`,
    );
    this.#endings = options.customers.map(({ drurl }) => {
      const callback = drurl === undefined ? '' : `&drurl=${encodeURIComponent(drurl)}&drurl_check=N`;
      return `${callback} HTTP/1.1\r\nHost: ${options.host}:${options.port}\r\nUser-Agent: feige-bench\r\nAccept: */*\r\n\r\n`;
    });
  }

  /** @param customer index of the customer whose request it is */
  next(customer: number): string {
    const number = this.#number++;
    const text = number % 2 === 0 ? `${LATIN}${number}${LATIN_REST}` : `${CHINESE}${number}${CHINESE_REST}`;
    return `${this.#beginnings[customer]}${mobileDigits(number)}&message=${text}${this.#endings[customer]}`;
  }
}
