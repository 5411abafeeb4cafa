/**
 * The keyword filter behind REJERROR. A word is found whatever its case and width (ＡＢＣ, abc); the text is walked
 * once along a tree of all words, so thousands of them cost about what one does. It looks at nothing but the text.
 */

interface Branch {
  readonly next: Map<number, Branch>;
  word?: string;
}

/**
 * A function that gives the first listed word in a text, as it was listed, or undefined. Blank words are passed over.
 */
export function createWordFilter(words: readonly string[]): (text: string) => string | undefined {
  const root: Branch = { next: new Map() };
  for (const word of words) {
    const folded = fold(word.trim());
    if (folded !== '') plant(root, folded, word.trim());
  }
  if (root.next.size === 0) return () => undefined;
  return (text) => findWord(root, fold(text));
}

/** Full-width and half-width, compatibility forms and case made one. */
function fold(text: string): string {
  return text.normalize('NFKC').toLowerCase();
}

function plant(root: Branch, folded: string, word: string): void {
  let branch = root;
  for (let index = 0; index < folded.length; index++) {
    const unit = folded.charCodeAt(index);
    const next: Branch = branch.next.get(unit) ?? { next: new Map() };
    branch.next.set(unit, next);
    branch = next;
  }
  branch.word ??= word;
}

function findWord(root: Branch, text: string): string | undefined {
  for (let start = 0; start < text.length; start++) {
    let branch = root.next.get(text.charCodeAt(start));
    for (let index = start + 1; branch !== undefined; index++) {
      if (branch.word !== undefined) return branch.word;
      branch = index < text.length ? branch.next.get(text.charCodeAt(index)) : undefined;
    }
  }
  return undefined;
}
