/** Whether a message holds what 00180 refuses, by spec/README point 22 to the letter. */

// Everything below holds at least one of these code units; a text without them, ASCII or plain hanzi, is done at once.
const SUSPECT = /\u200d|\u20e3|\ufe0f|[\u231a-\u2b55]|[\ud83c-\ud83e]/;

// Regional indicators and skin tones have Emoji_Presentation themselves. A ZWJ joins emoji only between pictographs:
// in Indic and Arabic scripts it is ordinary text.
const EMOJI = /\p{Emoji_Presentation}|.(?:\ufe0f|\u20e3)|\p{Extended_Pictographic}\u200d\p{Extended_Pictographic}/su;

/**
 * True for emoji by presentation, anything followed by U+FE0F or U+20E3, regional indicators, skin tones and ZWJ
 * sequences. Text symbols without U+FE0F (♀♂♥★☎▶♨) and CJK Extension B are not emoji.
 */
export function containsEmoji(text: string): boolean {
  return SUSPECT.test(text) && EMOJI.test(text);
}
