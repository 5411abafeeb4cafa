/**
 * Characters that are no words: full-width forms made narrow before the figures are read, and afterwards signs,
 * brackets, emoji and line breaks turned into words, pauses or nothing.
 */
import type { Wording } from './spoken-text-wording.ts';

// Full-width letters, digits and the signs that figures are written with. ，；：？！（） keep their meaning as pauses.
const FULL_WIDTH =
  /[\uff03-\uff07\uff0a\uff0b\uff0d-\uff0f\uff10-\uff19\uff1c-\uff1e\uff20-\uff3a\uff3c\uff41-\uff5a\uff5c\uff5e]/g;
const FULL_WIDTH_OFFSET = 0xfee0;
// ㎏, ①, ½ (digits around U+2044), ﹪.
const COMPATIBILITY = /[\u3300-\u33ff\ufe50-\ufe6b]|[\p{No}\p{Nl}](?<!〇)/gu;

/** Narrow letters, digits and signs; ideographic spaces as spaces; the colon and comma inside figures as ASCII. */
export function narrow(text: string): string {
  return (
    text
      .replace(FULL_WIDTH, (character) => String.fromCharCode(character.charCodeAt(0) - FULL_WIDTH_OFFSET))
      .replace(COMPATIBILITY, (character) => compatible(character))
      .replace(/[\u3000\u00a0\u2000-\u200a\t]/g, ' ')
      .replace(/(?<=\d)：(?=\d)/g, ':')
      .replace(/(?<=\d)，(?=\d{3}(?!\d))/g, ',')
      .replace(/（(?=[\d+])/g, '(')
      .replace(/(?<=\d)）/g, ')')
      .replace(/[−‐‑‒]/g, '-')
      .replace(/￥/g, '¥')
      // ○ (a circle) is often typed for 〇.
      .replace(/(?<=[零一二三四五六七八九])[○〇]+/g, (circles) => '零'.repeat(circles.length))
  );
}

function compatible(character: string): string {
  const plain = character.normalize('NFKC');
  // 1½ is not 11⁄2.
  return plain.includes('⁄') ? ` ${plain}` : plain;
}

const UNSPOKEN =
  /[\u200b-\u200f\u2060]|\ufe0e|\ufe0f|\u20e3|\p{Extended_Pictographic}|\p{Regional_Indicator}|\p{Emoji_Modifier}/gu;
const QUOTES = /[「」『』“”‘’"`]|(?<![\p{L}])'|'(?![\p{L}])/gu;
const PAUSES = /[,，、;；:：()（）[\]【】〔〕《》〈〉{}|~〜～…‥—–]+/gu;
const IGNORED = /[^\p{L}\p{M}〇\s,，。.?？!！'-]+/gu;

/** Signs left after the figures have been read, as words or pauses of the sentence's language. */
export function speakSymbols(text: string, { signs, pause }: Wording): string {
  return text
    .replace(UNSPOKEN, ' ')
    .replace(/按\s?#(?:字?鍵)?/gu, '按井字鍵')
    .replace(/按\s?\*(?:字?鍵)?/gu, '按米字鍵')
    .replace(QUOTES, ' ')
    .replace(/&/g, signs.and)
    .replace(/(?<=[\p{L}])\s?\+\s?(?=[\p{L}])/gu, signs.plus)
    .replace(/(?<=[\p{L}])\s?=\s?(?=[\p{L}])/gu, signs.equals)
    .replace(/(?<=[日分點])\s?-\s?(?=[零一二三四五六七八九十兩])/gu, signs.to)
    .replace(/(?<=\p{Script=Han}\s?)\/(?=\s?\p{Script=Han})/gu, pause)
    .replace(/-{2,}|\s-\s|(?<=\p{Script=Han})-|-(?=\p{Script=Han})/gu, pause)
    .replace(PAUSES, pause)
    .replace(IGNORED, ' ')
    .replace(/-/g, ' ');
}

/** One space where there were several, none beside Han punctuation, one break where several signs met. */
export function tidy(text: string): string {
  return text
    .replace(/\s+/g, ' ')
    .replace(/\s*([，。！？])\s*/g, '$1')
    .replace(/\s+([,.!?])/g, '$1')
    .replace(/(?<=\p{Script=Han}) (?=\p{Script=Han})/gu, '')
    .replace(/[，,.。！？!?]*([。！？.!?])(?:[，,.。！？!?]|(?<=[.!?]) (?=[,.!?]))*/g, '$1')
    .replace(/([，,])(?:\s?[，,])+/g, '$1')
    .replace(/^[，,.。！？!?\s]+/, '')
    .replace(/[，,\s]+$/, '')
    .trim();
}
