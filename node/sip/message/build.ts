import type { SipHeaders } from "./headers.ts";
import { createHeaders, fieldsOf, headersOf } from "./headers.ts";
import type { SipRequest, SipResponse } from "./message.ts";
import { reasonPhrase } from "./reason-phrases.ts";
import { randomCallId } from "./tags.ts";

export type HeaderEntries = Iterable<readonly [name: string, value: string]>;

export interface RequestInit {
  readonly method: string;
  /** Request-URI. */
  readonly uri: string;
  /** Value of From, tag included. */
  readonly from: string;
  /** Value of To. */
  readonly to: string;
  /** @default 128 random bits */
  readonly callId?: string;
  /** @default 1 */
  readonly cseq?: number;
  /** Further fields. Via, Max-Forwards and Content-Length are the stack's. */
  readonly headers?: HeaderEntries;
  readonly body?: Uint8Array | string;
}

/** A request without Via, as the stack's `send` takes it. @see RFC 3261 §8.1.1 */
export function createRequest(init: RequestInit): SipRequest {
  const headers = createHeaders([
    ["From", init.from],
    ["To", init.to],
    ["Call-ID", init.callId ?? randomCallId()],
    ["CSeq", `${init.cseq ?? 1} ${init.method}`],
    ...(init.headers ?? []),
  ]);
  return { kind: "request", method: init.method, uri: init.uri, headers, body: octets(init.body) };
}

export interface ResponseInit {
  /** @default that of the status */
  readonly reason?: string;
  /** Added to those copied from the request; one of the same name replaces the copy. */
  readonly headers?: HeaderEntries;
  readonly body?: Uint8Array | string;
  /** Added to To when it has no tag. Without it the stack adds one to final answers. */
  readonly toTag?: string;
}

/**
 * A response with Via, From, To, Call-ID and CSeq of the request; one that makes a dialog has its Record-Route too.
 * @see RFC 3261 §8.2.6.2, §12.1.1
 */
export function createResponse(request: SipRequest, status: number, init: ResponseInit = {}): SipResponse {
  const headers = copiedFields(request.headers, status);
  if (init.toTag !== undefined) addToTag(headers, init.toTag);
  const given = [...(init.headers ?? [])];
  for (const [name] of given) headers.delete(name);
  for (const [name, value] of given) headers.append(name, value);
  return { kind: "response", status, reason: init.reason ?? reasonPhrase(status), headers, body: octets(init.body) };
}

const SINGLE = new Set(["from", "to", "call-id", "cseq"]);

/** Of what a malformed request has twice, the first: the answer to it is well-formed. */
function copiedFields(headers: SipHeaders, status: number): SipHeaders {
  const makesDialog = status > 100 && status < 300;
  const seen = new Set<string>();
  return headersOf(
    fieldsOf(headers).filter(({ key }) => {
      if (!SINGLE.has(key)) return key === "via" || (makesDialog && key === "record-route");
      if (seen.has(key)) return false;
      seen.add(key);
      return true;
    }),
  );
}

/** Adds a tag to the To field when it has none. @see RFC 3261 §8.2.6.2 */
export function addToTag(headers: SipHeaders, tag: string): void {
  const to = headers.get("to");
  if (to !== undefined && !hasTag(to)) headers.set("To", `${to};tag=${tag}`);
}

/** Whether a From or To value has a tag: a look at the part after the URI, without taking it apart. */
export function hasTag(value: string): boolean {
  return /;\s*tag\s*=/i.test(afterUri(value));
}

/** The tag of a From or To value, raw. */
export function tagOf(value: string): string | undefined {
  return /;\s*tag\s*=\s*([^\s;,]+)/i.exec(afterUri(value))?.[1];
}

/** A quoted name before the URI may hold `<` and `>`, and so may a quoted parameter behind it. */
const UP_TO_URI = /^(?:\s*"(?:[^"\\]|\\.)*")?[^">]*>/;

function afterUri(value: string): string {
  if (!value.includes('"')) return value.slice(value.lastIndexOf(">") + 1);
  // Without angle brackets all parameters are the field's.
  return value.slice(UP_TO_URI.exec(value)?.[0].length ?? 0);
}

const NO_BODY = new Uint8Array(0);

function octets(body: Uint8Array | string | undefined): Uint8Array {
  return body === undefined ? NO_BODY : typeof body === "string" ? Buffer.from(body) : body;
}
