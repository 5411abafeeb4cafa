/**
 * A message as it is read aloud: figures, addresses and signs in words, line breaks as pauses. Pure; it promises text
 * without digits, never throws, and leaves words as they are: pronouncing them is the speech engine's work.
 */
import { ENGLISH } from './spoken-text-english.ts';
import { speakLinks } from './spoken-text-links.ts';
import { MANDARIN } from './spoken-text-mandarin.ts';
import { speakFigures } from './spoken-text-rules.ts';
import { narrow, speakSymbols, tidy } from './spoken-text-symbols.ts';
import type { Wording } from './spoken-text-wording.ts';

// A full stop ends a sentence only before a blank: not in 12.5 or example.com.
const SENTENCE = /[^\n。！？!?]+?(?:[。！？!?]+|\.(?=\s+\D|\s*$)|\n+|$)|[\n。！？!?]+/gu;
/** A sentence without Han in a Chinese message is English when it has so many words; `NT$500` alone is not. */
const ENGLISH_SENTENCE_MIN_WORDS = 3;

/**
 * @returns what a speech engine should be given; '' when nothing in the text can be said (`★★★`).
 * Sentences with Han are read in Mandarin, English ones in English, each with the figures in its own language.
 */
export function spokenText(text: string): string {
  const narrowed = narrow(text);
  const usual = languageOfMessage(narrowed);
  // Addresses before sentences: they hold full stops and question marks.
  const lines = narrowed.split('\n').map((line) => speakLinks(line, languageOfSentence(line, usual)));
  const sentences = lines.join('\n').match(SENTENCE) ?? [];
  return tidy(sentences.map((sentence) => speakSentence(sentence, languageOfSentence(sentence, usual))).join(''));
}

function languageOfMessage(text: string): Wording {
  return !/\p{Script=Han}/u.test(text) && /[A-Za-z]/.test(text) ? ENGLISH : MANDARIN;
}

function languageOfSentence(sentence: string, usual: Wording): Wording {
  if (/\p{Script=Han}/u.test(sentence)) return MANDARIN;
  const words = sentence.match(/[A-Za-z]{2,}/g) ?? [];
  return words.length >= ENGLISH_SENTENCE_MIN_WORDS ? ENGLISH : usual;
}

function speakSentence(sentence: string, wording: Wording): string {
  const end = /(?:[\n。！？!?]+|\.)$/u.exec(sentence)?.[0] ?? '';
  const words = sentence.slice(0, sentence.length - end.length);
  return speakSymbols(speakFigures(words, wording), wording) + ending(end, wording);
}

function ending(signs: string, { stop, question, exclamation }: Wording): string {
  if (signs === '') return '';
  if (/[?？]/u.test(signs)) return question;
  return /[!！]/u.test(signs) ? exclamation : stop;
}
