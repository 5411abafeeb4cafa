/**
 * The requests of the benchmark. Every one has a recipient and a text of its own, unless one number is to get all; every
 * other text is Chinese, which is UCS-2 on the way to the operator and three times as long in the URL.
 */

import { mobileDigits } from './instants.ts';

/** An account of the platform under test, and where its callbacks go. */
export interface Customer {
  readonly username: string;
  readonly password: string;
  /** Absent: no callback is asked for. */
  readonly drurl: string | undefined;
  /** What `play` plays. */
  readonly voiceUrl?: string;
}

/** `constant`: the same answer every time; `speak` and `play`: calls, with a text of their own or with a recording. */
export type RequestKind = 'send' | 'constant' | 'speak' | 'play';

const PATHS: Readonly<Record<RequestKind, string>> = {
  send: '/json/sms_send.php',
  constant: '/healthz',
  speak: '/send_voice.php',
  play: '/send_voice.php',
};

const CHINESE = encodeURIComponent('您的驗證碼是');
const CHINESE_REST = encodeURIComponent('，請於十分鐘內輸入，切勿告訴他人。');
const LATIN = 'Your+code+is+';
const LATIN_REST = '.+It+is+valid+for+ten+minutes.+Do+not+share+it+with+anybody.';

export class RequestWriter {
  readonly #beginnings: readonly string[];
  readonly #endings: readonly string[];
  readonly #recipient: string | undefined;
  readonly #hasText: boolean;
  #number: number;

  /**
   * @param options.kind `constant`: the same query string to a path that answers the same every time
   * @param options.recipient gets all of them
   * @param options.firstRecipient number of the first recipient, from which they are counted on; 0 unless given
   */
  constructor(options: {
    kind: RequestKind;
    host: string;
    port: number;
    customers: readonly Customer[];
    firstRecipient?: number;
    recipient?: string | undefined;
  }) {
    const { kind, host, port } = options;
    this.#number = options.firstRecipient ?? 0;
    this.#recipient = options.recipient;
    this.#hasText = kind !== 'play';
    const isCall = kind === 'speak' || kind === 'play';
    this.#beginnings = options.customers.map(({ username, password, voiceUrl = '' }) => {
      const what = kind === 'play' ? `&type=2&voice_url=${encodeURIComponent(voiceUrl)}` : isCall ? '&type=1' : '';
      return `GET ${PATHS[kind]}?username=${username}&password=${password}${what}&${isCall ? 'phone' : 'mobile'}=`;
    });
    this.#endings = options.customers.map(({ drurl }) => {
      const url = drurl === undefined ? '' : encodeURIComponent(drurl);
      const callback = drurl === undefined ? '' : isCall ? `&response=${url}` : `&drurl=${url}&drurl_check=N`;
      return `${callback} HTTP/1.1\r\nHost: ${host}:${port}\r\nUser-Agent: feige-bench\r\nAccept: */*\r\n\r\n`;
    });
  }

  /** @param customer index of the customer whose request it is */
  next(customer: number): string {
    const number = this.#number++;
    const recipient = this.#recipient ?? `09${mobileDigits(number)}`;
    const text = number % 2 === 0 ? `${LATIN}${number}${LATIN_REST}` : `${CHINESE}${number}${CHINESE_REST}`;
    return `${this.#beginnings[customer]}${recipient}${this.#hasText ? `&message=${text}` : ''}${this.#endings[customer]}`;
  }
}
