/** What an attacker, or a broken client, writes into a parameter. Values are bytes, for not all of them are text. */

export const HOSTILE_VALUES = {
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
} as const satisfies Readonly<Record<string, Buffer>>;

export type HostileValue = keyof typeof HOSTILE_VALUES;

export const HOSTILE_KINDS = Object.keys(HOSTILE_VALUES) as HostileValue[];
