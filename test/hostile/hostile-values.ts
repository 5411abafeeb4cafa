/**
 * What an attacker, or a broken client, writes into a parameter; and for each parameter of each endpoint the codes that
 * such a value may get. Values are bytes, for not all of them are text.
 */

export const HOSTILE_VALUES: Readonly<Record<string, Buffer>> = {
  'SQL that is always true': Buffer.from(`' OR '1'='1`),
  'SQL that drops a table': Buffer.from(`'; DROP TABLE messages; --`),
  'SQL with double quotes': Buffer.from(`"; SELECT pg_sleep(10); --`),
  'a number of a parameter': Buffer.from('$1'),
  'a backslash': Buffer.from('\\'),
  'CR and LF with a header': Buffer.from('x\r\nSet-Cookie: a=b\r\n\r\nHTTP/1.1 200 OK'),
  'a NUL': Buffer.from('a\0b'),
  'a NUL encoded twice': Buffer.from('a%00b'),
  'nothing but control characters': Buffer.from('\x01\x02\x03\x7f'),
  'an overlong slash of two bytes': Buffer.from('c0af', 'hex'),
  'an overlong slash of three bytes': Buffer.from('e080af', 'hex'),
  'an overlong NUL': Buffer.from('f0808080', 'hex'),
  'a high surrogate': Buffer.from('eda080', 'hex'),
  'a low surrogate': Buffer.from('edb080', 'hex'),
  'a surrogate escaped as scripts do': Buffer.from('%uD800'),
  'a pair of surrogates': Buffer.from('eda080edb080', 'hex'),
  'bytes of no encoding': Buffer.from('fffefdfc', 'hex'),
  'half a character': Buffer.from('e4bd', 'hex'),
  'a code point too far': Buffer.from('f4908080', 'hex'),
  'a text that runs backwards': Buffer.from('\u202egnp.exe'),
  'a noncharacter': Buffer.from('\uffff'),
  'digits of another script': Buffer.from('١٢٣'),
  'a very large number': Buffer.from('99999999999999999999999999'),
  'a negative number': Buffer.from('-1'),
  'a number with an exponent': Buffer.from('1e309'),
  'not a number': Buffer.from('NaN'),
  'the name of a prototype': Buffer.from('__proto__'),
  'a format': Buffer.from('%s%n%x'),
  'a template': Buffer.from('$' + '{7*7}<script>alert(1)</script>'),
  'a path': Buffer.from('../../../../etc/passwd'),
  '40,000 letters': Buffer.alloc(40_000, 'a'),
  '40,000 bytes of noise': Buffer.alloc(40_000, 0xff),
};

export interface Endpoint {
  readonly path: string;
  /** What is asked there, where several things can be. */
  readonly how: string;
  /** A request that is in order. */
  readonly good: Readonly<Record<string, string>>;
  /** What it answers: a pattern of the whole body. */
  readonly answer: RegExp;
  /** Codes that a hostile value of this parameter may get. */
  readonly codes: Readonly<Record<string, readonly string[]>>;
}

const ACCOUNT = { username: 'test', password: '1234' };
const SMS_CREDENTIALS = { username: ['00010', '00011'], password: ['00010', '00012'] };
const IGNORED = ['00000'];
const PENDING = ['00001', '00000'];

export const ENDPOINTS: readonly Endpoint[] = [
  {
    path: '/json/sms_send.php',
    how: 'for a message',
    good: { ...ACCOUNT, mobile: '0911222333', message: 'hello' },
    answer: /^\{"code":"00000","text":"Success","msgid":\d{9}\}$/,
    codes: {
      ...SMS_CREDENTIALS,
      sendtime: ['00050'],
      expirytime: ['00060'],
      mobile: ['00100'],
      message: ['00000', '00110', '00130'],
      drurl: ['00140'],
      drurl_check: IGNORED,
      lmsg: IGNORED,
      popup: IGNORED,
    },
  },
  {
    path: '/json/sms_query.php',
    how: 'for its state',
    good: { ...ACCOUNT, mobile: '0911222333', msgid: 'MSGID' },
    answer: /^\{"code":"0000[01]"/,
    codes: {
      ...SMS_CREDENTIALS,
      mobile: ['00420', '00300'],
      msgid: ['00420'],
      delttime: PENDING,
      deltime: PENDING,
      checkpoint: PENDING,
      outrange: PENDING,
    },
  },
  {
    path: '/json/smsmo_query.php',
    how: 'for what came in',
    good: { username: 'test123', password: '1234test', snumber: '12345' },
    answer: /^\{"code":"00410"/,
    codes: { ...SMS_CREDENTIALS, snumber: ['00430'], sdate: ['00430'], afterseq: ['00410', '00430'] },
  },
  {
    path: '/send_voice.php',
    how: 'for a text to be read',
    good: { ...ACCOUNT, type: '1', phone: '0912345678', message: 'hello' },
    answer: /^resp=\d{9},2$/,
    codes: {
      username: ['-4'],
      password: ['-4'],
      type: ['-5'],
      phone: ['-8'],
      message: ['0', '-9'],
      voice: ['-13'],
      speed: ['-14'],
      vol: ['-15'],
      replay: ['-6'],
      replay_times: ['-7'],
      response: ['0'],
      voice_url: ['0'],
    },
  },
  {
    // Nobody may fetch from there, so that a request in order fails at the very last.
    path: '/send_voice.php',
    how: 'for a recording to be played',
    good: { ...ACCOUNT, type: '2', phone: '0912345678', voice_url: 'http://127.0.0.1/a.wav' },
    answer: /^resp=-12$/,
    codes: {
      username: ['-4'],
      password: ['-4'],
      type: ['-5'],
      phone: ['-8'],
      message: ['-12', '-9'],
      voice_url: ['-12'],
      replay: ['-6'],
      replay_times: ['-7'],
      response: ['-12'],
    },
  },
  {
    path: '/query_voice.php',
    how: 'for the end of a call',
    good: { ...ACCOUNT, msgid: '99999999' },
    answer: /^resp=-4$/,
    codes: { username: ['-3'], password: ['-3'], msgid: ['-4'] },
  },
];

/** Values that a parameter rightly takes, or that are no value at all, beside the codes above. */
export const EXCEPTIONS: Readonly<Record<string, readonly string[]>> = {
  // It is empty once the control characters are gone.
  'nothing but control characters': ['00000', '00110', '00100', '00420', '00410', '0', '-8', '-9', '-4', '-5', '-12'],
  'a negative number': ['0'],
};
