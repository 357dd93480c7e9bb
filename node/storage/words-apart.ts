/**
 * What is a word by itself though no spaces stand around it: a character of the scripts that are written without them (and of Korean, where what
 * is looked for is often the end of a word), and a picture.
 */
const WORDS =
  /[\p{scx=Han}\p{scx=Hiragana}\p{scx=Katakana}\p{scx=Hangul}\p{sc=Thai}\p{sc=Lao}\p{sc=Khmer}\p{sc=Myanmar}\p{Extended_Pictographic}\p{Regional_Indicator}]/gu;

/**
 * Text as it is indexed and looked for: such characters are set apart, so that a word of several is found as a phrase. Full and half width, composed and decomposed
 * characters are the same.
 */
export function wordsApart(text: string): string {
  return text.normalize("NFKC").replace(WORDS, " $& ").trim();
}
