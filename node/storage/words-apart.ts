/**
 * What is a word by itself though no spaces stand around it: a character of the scripts that are written without them (and of Korean, where what
 * is looked for is often the end of a word), and a picture.
 */
const WORDS =
  /[\p{scx=Han}\p{scx=Hiragana}\p{scx=Katakana}\p{scx=Hangul}\p{sc=Thai}\p{sc=Lao}\p{sc=Khmer}\p{sc=Myanmar}\p{Extended_Pictographic}\p{Regional_Indicator}]/gu;

/**
 * More marks in a row than any writing has. To put them in order takes the square of their number: with the 16,000 that a message has room for, the node
 * would stand still meanwhile. The two from U+FF9E are letters that normalization makes marks of.
 * @see UAX #15 §13, whose Stream-Safe Text Format has a joiner after each 30; the index would take that for the end of a word
 */
const EXCESS_MARKS = /([\p{M}\uFF9E\uFF9F]{30})[\p{M}\uFF9E\uFF9F]+/gu;

/**
 * Text as it is indexed and looked for: such characters are set apart, so that a word of several is found as a phrase. Full and half width, composed and decomposed
 * characters are the same; of marks in a row, the first 30 count.
 */
export function wordsApart(text: string): string {
  return text.replace(EXCESS_MARKS, "$1").normalize("NFKC").replace(WORDS, " $& ").trim();
}
