/**
 * The endpoints, a good request to each, and for each of their parameters the one code that each hostile value gets, with
 * the place of the specification that says so (its README's point, or the contract's section). A value that is not
 * named gets the code of `every`.
 */
import assert from 'node:assert/strict';
import type { HostileValue } from './hostile-values.ts';

export interface Endpoint {
  readonly path: string;
  /** What is asked there, where several things can be. */
  readonly how: string;
  /** A request that is in order. */
  readonly good: Readonly<Record<string, string>>;
  /** What it answers: a pattern of the whole body. */
  readonly answer: RegExp;
  readonly codes: Readonly<Record<string, Expected>>;
}

export interface Expected {
  readonly every: string;
  readonly but?: Readonly<Record<string, readonly HostileValue[]>>;
  readonly why: string;
}

/** What a hostile value in this parameter of a request that is otherwise in order is answered; `0`: the call is taken. */
export function expectedCode({ path, codes }: Endpoint, name: string, what: HostileValue): string {
  const { every, but = {} } = codes[name] ?? assert.fail(`${path} has no ${name}`);
  const named = Object.entries(but).filter(([, values]) => values.includes(what));
  assert.ok(named.length <= 1, `${path} ${name}: ${what} is named twice`);
  return named[0]?.[0] ?? every;
}

/** It is empty once the control characters are gone (point 4), and what is empty is absent (point 3). */
const ABSENT = ['nothing but control characters'] as const;
/** Over the 32 KiB of a value that are read: as unreadable as they are long. */
const ENDLESS = ['40,000 letters', '40,000 bytes of noise'] as const;

/** 1 to 32 letters, digits, `_`, `.`, `-`, `@`, once control characters are gone. */
const LIKE_A_USERNAME = [
  'a NUL',
  'a very large number',
  'a negative number',
  'a number with an exponent',
  'not a number',
  'the name of a prototype',
] as const;

/** 4 to 64 printable ASCII characters; bytes that are no character of any encoding are a `?` each. */
const LIKE_A_PASSWORD = [
  'SQL that is always true',
  'SQL that drops a table',
  'SQL with double quotes',
  'a NUL encoded twice',
  'an overlong NUL',
  'a surrogate escaped as scripts do',
  'a code point too far',
  'a very large number',
  'a number with an exponent',
  'the name of a prototype',
  'a format',
  'a template',
  'a path',
] as const;

const SMS_CREDENTIALS = {
  username: { every: '00010', but: { '00011': LIKE_A_USERNAME }, why: 'point 18; one that could be is unknown' },
  password: { every: '00010', but: { '00012': LIKE_A_PASSWORD }, why: 'point 18; one that could be is wrong' },
};
const ACCOUNT = { username: 'test', password: '1234' };

/** `every` value is refused but the absent one, which leaves what the request does without the parameter. */
function optional(every: string, without: string, why: string): Expected {
  return { every, but: { [without]: ABSENT }, why };
}

function ignored(every: string, why: string): Expected {
  return { every, why };
}

export const ENDPOINTS: readonly Endpoint[] = [
  {
    path: '/json/sms_send.php',
    how: 'for a message',
    good: { ...ACCOUNT, mobile: '0911222333', message: 'hello' },
    answer: /^\{"code":"00000","text":"Success","msgid":\d{9}\}$/,
    codes: {
      ...SMS_CREDENTIALS,
      sendtime: optional('00050', '00000', 'point 19: 12 or 14 digits; absent: at once'),
      expirytime: optional('00060', '00000', 'contract §2: 300 to 28800; absent: 28800'),
      mobile: { every: '00100', why: 'point 20; absent too' },
      message: {
        every: '00000',
        but: { '00110': ABSENT, '00130': ENDLESS },
        why: 'any text may be sent (point 4), no text is 00110, more than 5 segments 00130 (point 21)',
      },
      drurl: optional('00140', '00000', 'point 23: an absolute http or https URL; absent: no callback'),
      drurl_check: ignored('00000', 'point 3: only N acts'),
      lmsg: ignored('00000', 'point 3: only N acts'),
      popup: ignored('00000', 'point 3'),
    },
  },
  {
    path: '/json/sms_query.php',
    how: 'for its state',
    good: { ...ACCOUNT, mobile: '0911222333', msgid: 'MSGID' },
    answer: /^\{"code":"00000","text":"Success","statuscode":"0",/,
    codes: {
      ...SMS_CREDENTIALS,
      mobile: {
        every: '00420',
        // Without blanks and dashes (point 20) -1 is 1.
        but: { '00300': ['a very large number', 'a negative number'] },
        why: 'point 17: no number is 00420; a number that is not the recipient is 00300 (point 13)',
      },
      msgid: { every: '00420', why: 'point 17: 8 to 11 digits' },
      delttime: ignored('00000', 'point 3: only Y acts'),
      deltime: ignored('00000', 'points 3 and 8: only Y acts'),
      checkpoint: ignored('00000', 'point 3: only Y acts'),
      outrange: ignored('00000', 'point 3: only Y acts'),
    },
  },
  {
    path: '/json/smsmo_query.php',
    how: 'for what came in',
    good: { username: 'test123', password: '1234test', snumber: '12345' },
    answer: /^\{"code":"00410"/,
    codes: {
      ...SMS_CREDENTIALS,
      snumber: { every: '00430', why: 'point 17: 5 digits' },
      sdate: optional('00430', '00410', 'point 17: a day that exists; absent: today, on which nothing came'),
      afterseq: optional('00430', '00410', 'ours: the format of a query; absent: from the first'),
    },
  },
  {
    path: '/send_voice.php',
    how: 'for a text to be read',
    good: { ...ACCOUNT, type: '1', phone: '0912345678', message: 'hello' },
    answer: /^resp=\d{9},2$/,
    codes: {
      username: { every: '-4', why: 'voice §2: malformed or unknown' },
      password: { every: '-4', why: 'voice §2: malformed or wrong' },
      type: { every: '-5', why: 'voice §2: 1 or 2; absent too' },
      phone: { every: '-8', why: 'point 29; absent too' },
      message: { every: '0', but: { '-9': [...ABSENT, ...ENDLESS] }, why: 'point 27: over 1,000 characters; or none' },
      voice: optional('-13', '0', 'voice §2: 1 to 4; absent: 1'),
      speed: {
        every: '-14',
        but: { '0': [...ABSENT, 'a negative number'] },
        why: 'voice §2: -10 to 10, so that -1 is in order; absent: 0',
      },
      vol: optional('-15', '0', 'voice §2: 0 to 100; absent: 100'),
      replay: optional('-6', '0', 'point 28: 0, 1 or 2; absent: 0'),
      replay_times: optional('-7', '0', 'point 28: 1 to 9; absent: 1'),
      response: ignored('0', 'point 32: the contract has no code for it'),
      voice_url: ignored('0', 'voice §2: of type 2 only'),
    },
  },
  {
    // Nobody may fetch from there, so that a request in order fails at the very last.
    path: '/send_voice.php',
    how: 'for a recording to be played',
    good: { ...ACCOUNT, type: '2', phone: '0912345678', voice_url: 'http://127.0.0.1/a.wav' },
    answer: /^resp=-12$/,
    codes: {
      username: { every: '-4', why: 'voice §2: malformed or unknown' },
      password: { every: '-4', why: 'voice §2: malformed or wrong' },
      type: { every: '-5', why: 'voice §2: 1 or 2; absent too' },
      phone: { every: '-8', why: 'point 29; absent too' },
      message: { every: '-12', but: { '-9': ENDLESS }, why: 'point 27: none is needed; over 1,000 characters is -9' },
      voice: ignored('-12', 'point 27'),
      speed: ignored('-12', 'point 27'),
      vol: ignored('-12', 'point 27'),
      voice_url: { every: '-12', why: 'points 27 and 33: nothing that can be fetched; absent too' },
      replay: optional('-6', '-12', 'point 28: 0, 1 or 2; absent: 0'),
      replay_times: optional('-7', '-12', 'point 28: 1 to 9; absent: 1'),
      response: ignored('-12', 'point 32: the contract has no code for it'),
    },
  },
  {
    path: '/query_voice.php',
    how: 'for the end of a call',
    good: { ...ACCOUNT, msgid: '99999999' },
    answer: /^resp=-4$/,
    codes: {
      username: { every: '-3', why: 'voice §3: malformed or unknown' },
      password: { every: '-3', why: 'voice §3: malformed or wrong' },
      msgid: { every: '-4', why: 'voice §3; one that no call has, and absent, too' },
    },
  },
];
