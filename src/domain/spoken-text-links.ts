/**
 * Web and mail addresses as somebody would say them on the telephone: without the scheme and `www.`, dots and dashes by
 * name, and a path only while a listener could follow it.
 */
import type { Wording } from './spoken-text-wording.ts';

/** A longer path (with its query) is left out: nobody writes it down from hearing. */
const MAX_SPOKEN_PATH_CHARACTERS = 16;

const MAIL = /(?<![\w.+-])[A-Za-z0-9][\w.+-]{0,63}@[A-Za-z0-9-]{1,63}(?:\.[A-Za-z0-9-]{1,63}){1,4}/g;
const URL_WITH_SCHEME = /(?:https?:\/\/|www\.)[\w\-.~:/?#[\]@!$&'()*+,;=%]+/gi;
// Hosts written without a scheme are told from `e.g.` and `12.5` by their ending.
const BARE_HOST =
  /(?<![\w.@-])(?:[a-z0-9-]{1,63}\.){1,4}(?:com|net|org|gov|edu|tw|io|me|cc|ly|app|info|co|gl|tv)(?![\w-])(?:\/[\w\-./~?=&%#]*)?/gi;
const TRAILING_PUNCTUATION = /[.,;:!?'")\]]+$/;

/** @returns `text` with its addresses in words; what follows them (a full stop) stays. */
export function speakLinks(text: string, wording: Wording): string {
  return text
    .replace(MAIL, (mail) => ` ${spell(mail, wording)} `)
    .replace(URL_WITH_SCHEME, (link) => spokenLink(link, wording))
    .replace(BARE_HOST, (link) => spokenLink(link, wording));
}

function spokenLink(link: string, wording: Wording): string {
  const ending = TRAILING_PUNCTUATION.exec(link)?.[0] ?? '';
  const address = link
    .slice(0, link.length - ending.length)
    .replace(/^https?:\/\//i, '')
    .replace(/^www\./i, '')
    .replace(/\/$/, '');
  const pathAt = address.search(/[/?#]/);
  const path = pathAt === -1 ? '' : address.slice(pathAt);
  const said = path.length > MAX_SPOKEN_PATH_CHARACTERS ? address.slice(0, pathAt) : address;
  return ` ${spell(said, wording)} ${ending.replace(/['")\]]/g, '')}`;
}

function spell(address: string, wording: Wording): string {
  const { signs } = wording;
  return address
    .replace(/\d+/g, (run) => ` ${wording.digits([run])} `)
    .replaceAll('.', ` ${signs.dot} `)
    .replaceAll('/', ` ${signs.slash} `)
    .replaceAll('-', ` ${signs.dash} `)
    .replaceAll('@', ` ${signs.at} `)
    .replaceAll('+', ` ${signs.plus} `)
    .replace(/[^\p{L}\s,，]+/gu, ' ');
}
