/** Requests to start from (corpus/http.txt), and the pieces that mean something to one who reads them. */
import type { Seeds } from './mutation.ts';
import { readTextCorpus } from './text-corpus.ts';

export const HTTP_SPICE = [
  '\r\n',
  '\r\n\r\n',
  '\n',
  '\r',
  '\0',
  '&',
  '=',
  '%',
  '%00',
  '%0D%0A',
  '%ED%A0%80',
  '%C0%AF',
  '%F0%9F%98%80',
  '%EF%BB%BF',
  '%25',
  '+',
  ' ',
  '\xff\xfe',
  '\xe4\xbd',
  '\xa7\x41',
  "' OR 1=1; DROP TABLE messages; --",
  '--xyz',
  '\r\n--xyz--\r\n',
  'Content-Disposition: form-data; name="',
  'Content-Length: 0\r\n',
  'Content-Length: 99999999\r\n',
  'Transfer-Encoding: chunked\r\n',
  'ffffffff\r\n',
  'username=',
  'message=',
  'drurl=http://127.0.0.1/',
  'voice_url=',
  '999999999999999999999',
  '-1',
  'NaN',
  '__proto__',
].map((piece) => Buffer.from(piece, 'latin1'));

export function httpSeeds(): Seeds {
  return { inputs: readTextCorpus('http.txt'), spice: HTTP_SPICE };
}
