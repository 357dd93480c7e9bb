import { ProtocolError } from "../../runtime/errors.ts";
import { isEncoded } from "../../sip/message/content-encoding.ts";
import type { SipRequest } from "../../sip/message/message.ts";
import type { Answer } from "../answer.ts";
import { BAD_PUBLISH_EVENT, badRequest, PRESENCE_EVENT } from "../answer.ts";
import { readExpires } from "../expiry.ts";
import type { PidfDocument } from "../pidf/pidf-document.ts";
import { parsePidf, PIDF_CONTENT_TYPE } from "../pidf/pidf-document.ts";

/** What a PUBLISH asks for. */
export interface PublishRequest {
  readonly ifMatch?: string;
  readonly expiresSeconds?: number;
  readonly document?: PidfDocument;
}

/** @see RFC 3903 §6 step 5 */
export const UNSUPPORTED_TYPE: Answer = {
  status: 415,
  reason: "Unsupported Media Type",
  headers: [["Accept", PIDF_CONTENT_TYPE]],
};
/** @see RFC 3261 §20.2, §21.4.13 */
export const UNSUPPORTED_ENCODING: Answer = {
  status: 415,
  reason: "Unsupported Media Type",
  headers: [["Accept-Encoding", "identity"]],
};

/**
 * Reads a PUBLISH, or says what to answer it with.
 * @see RFC 3903 §6 steps 2 to 5
 */
export function readPublish(request: SipRequest): PublishRequest | { readonly refuse: Answer } {
  const { headers, body } = request;
  // Step 2: an absent or unknown package is a bad event.
  if (firstToken(headers.get("Event")) !== PRESENCE_EVENT) return { refuse: BAD_PUBLISH_EVENT };
  const tags = headers.all("SIP-If-Match");
  if (tags.length > 1) return { refuse: badRequest("SIP-If-Match must have one entity-tag") };
  const expiresSeconds = readExpires(headers.get("Expires"));
  if (expiresSeconds === "malformed") return { refuse: badRequest("malformed Expires") };
  const fields = {
    ...(tags[0] === undefined ? {} : { ifMatch: tags[0].trim() }),
    ...(expiresSeconds === undefined ? {} : { expiresSeconds }),
  };
  if (body.length === 0) return fields;

  if (firstToken(headers.get("Content-Type"))?.toLowerCase() !== PIDF_CONTENT_TYPE) return { refuse: UNSUPPORTED_TYPE };
  if (isEncoded(headers)) return { refuse: UNSUPPORTED_ENCODING };
  try {
    return { ...fields, document: parsePidf(body) };
  } catch (error) {
    if (error instanceof ProtocolError) return { refuse: documentRefused(error) };
    throw error;
  }
}

/** The answer to a document that cannot be read. */
export function documentRefused(error: ProtocolError): Answer {
  return error.code === "TOO_LARGE" ? { status: 413, reason: "Request Entity Too Large" } : badRequest(error.message);
}

/** A field's value without its parameters. */
export function firstToken(value: string | undefined): string | undefined {
  return value?.split(";", 1)[0]?.trim();
}
