import type { CSeq } from "./cseq.ts";
import { parseCSeq } from "./cseq.ts";
import { parseContacts } from "./contact.ts";
import { headerKey, isListHeader } from "./header-names.ts";
import { parseDecimal, splitList } from "./lexical.ts";
import type { SipRequest } from "./message.ts";
import { parseNameAddr } from "./name-addr.ts";
import { quote, SipParseError } from "./sip-parse-error.ts";
import { parseUri, schemeOf } from "./uri.ts";
import type { Via } from "./via.ts";
import { parseVia } from "./via.ts";

/** What every transaction needs of its request. */
export interface RequestEssentials {
  readonly via: Via;
  readonly cseq: CSeq;
}

const SINGLE = ["from", "to", "call-id", "cseq", "max-forwards"];

/**
 * Checks what every server needs of a request whatever its method: the mandatory fields, each once, well-formed, and in
 * accord with each other. Extensions, schemes and bodies are for whoever serves the method.
 * @throws {SipParseError} with the status to answer
 * @see RFC 3261 §8.1.1, §8.2.2; RFC 4475 §3.1.2, §3.3
 */
export function validateRequest(request: SipRequest): RequestEssentials {
  const { headers } = request;
  const via = topVia(request);
  const cseq = parseCSeq(mandatory(request, "CSeq"));
  if (cseq.method !== request.method) {
    throw new SipParseError(
      "METHOD_MISMATCH",
      `CSeq is of ${quote(cseq.method)}, the request of ${quote(request.method)}`,
    );
  }
  parseNameAddr(mandatory(request, "From"));
  parseNameAddr(mandatory(request, "To"));
  if (mandatory(request, "Call-ID") === "") throw new SipParseError("NO_CALL_ID", "empty Call-ID");
  const maxForwards = headers.get("max-forwards");
  if (maxForwards !== undefined) parseDecimal(maxForwards, 255, "Max-Forwards");
  checkFields(request);
  checkRequestUri(request.uri);
  return { via, cseq };
}

/**
 * The first Via value.
 * @throws {SipParseError} `MISSING_HEADER`, `BAD_VIA`
 */
export function topVia(message: Pick<SipRequest, "headers">): Via {
  const first = splitList(mandatory(message, "Via"))[0];
  return parseVia(first ?? "");
}

/**
 * The first Via value for a refusal: one of another version, or with malformed parameters, still says where the request came from.
 * @throws {SipParseError} when not even that can be read
 */
export function topViaOfMalformed(message: Pick<SipRequest, "headers">): Via {
  try {
    return topVia(message);
  } catch {
    return parseVia(
      mandatory(message, "Via")
        .replace(/[;,].*$/, "")
        .replace(/\/[^/]*\//, "/2.0/"),
    );
  }
}

function mandatory({ headers }: Pick<SipRequest, "headers">, name: string): string {
  const value = headers.get(name);
  if (value === undefined) throw new SipParseError("MISSING_HEADER", `no ${name} header field`);
  return value;
}

function checkFields(request: SipRequest): void {
  let seen = 0;
  for (const [name, value] of request.headers.entries()) {
    const key = headerKey(name);
    const single = SINGLE.indexOf(key);
    if (single >= 0) {
      if ((seen & (1 << single)) !== 0) throw new SipParseError("REPEATED_HEADER", `${name} given twice`);
      seen |= 1 << single;
    }
    // A quote that never closes would swallow what other elements see as further values.
    if (isListHeader(key) && value.includes('"')) splitList(value);
  }
  if (request.headers.has("contact")) parseContacts(request.headers);
}

function checkRequestUri(text: string): void {
  const scheme = schemeOf(text);
  if (scheme === undefined) throw new SipParseError("BAD_URI", `malformed Request-URI ${quote(text)}`);
  if (scheme !== "sip" && scheme !== "sips") return;
  // RFC 3261 §19.1.1, table 1: no headers in a Request-URI. RFC 4475 §3.1.2.11
  if (parseUri(text).headers.length > 0)
    throw new SipParseError("BAD_URI", `header fields in the Request-URI ${quote(text)}`);
}
