import { isSpace, isToken, parseDecimal, skipSpace } from "./lexical.ts";
import { quote, SipParseError } from "./sip-parse-error.ts";

/** @see RFC 3261 §20.16 */
export interface CSeq {
  /** 0 … 2^31−1 */
  readonly sequence: number;
  readonly method: string;
}

/**
 * @throws {SipParseError} `BAD_CSEQ`, `BAD_NUMBER`
 * @see RFC 3261 §8.1.1.5: the number is below 2^31
 */
export function parseCSeq(text: string): CSeq {
  const trimmed = text.trim();
  let at = 0;
  while (at < trimmed.length && !isSpace(trimmed.charCodeAt(at))) at++;
  const method = trimmed.slice(skipSpace(trimmed, at));
  if (at === 0 || !isToken(method)) throw new SipParseError("BAD_CSEQ", `malformed CSeq: ${quote(text)}`);
  return { sequence: parseDecimal(trimmed.slice(0, at), 2 ** 31 - 1, "CSeq"), method };
}
