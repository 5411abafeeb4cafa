/** Requests to start from (corpus/http.txt), and the pieces that mean something to one who reads them. */
import { readFileSync } from 'node:fs';
import type { Seeds } from './mutation.ts';

const ESCAPES: Readonly<Record<string, string>> = { r: '\r', n: '\n', t: '\t' };

function readRequests(): Buffer[] {
  const text = readFileSync(new URL('corpus/http.txt', import.meta.url), 'latin1');
  const lines = text.split('\n').filter((line) => line !== '' && !line.startsWith('#'));
  return lines.map((line) =>
    Buffer.from(
      line.replace(/\\(?:x([0-9a-f]{2})|([rnt]))/g, (_all, hex: string | undefined, letter: string | undefined) =>
        hex === undefined ? (ESCAPES[letter ?? ''] ?? '') : String.fromCharCode(Number.parseInt(hex, 16)),
      ),
      'latin1',
    ),
  );
}

const SPICE = [
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
  return { inputs: readRequests(), spice: SPICE };
}
