import type { SipRequest } from "../sip/message/message.ts";

/**
 * What a person wrote in a MESSAGE: plain text, also within CPIM; `undefined` for anything else, such as notifications of delivery.
 * @see RFC 3428 §4; RFC 3862; RFC 5438
 */
export function textOf({ headers, body }: SipRequest): string | undefined {
  const type = mediaType(headers.get("Content-Type") ?? "text/plain");
  const text = Buffer.from(body).toString("utf8");
  if (type === "text/plain") return text;
  if (type !== "message/cpim") return undefined;
  // CPIM headers, an empty line, headers of the content, an empty line, the content.
  const [, contentHeaders, content] = /^[\s\S]*?\r?\n\r?\n([\s\S]*?)\r?\n\r?\n([\s\S]*)$/.exec(text) ?? [];
  if (contentHeaders === undefined) return undefined;
  const inner = /^content-type:\s*([^\r\n]*)/im.exec(contentHeaders)?.[1] ?? "text/plain";
  return mediaType(inner) === "text/plain" ? content : undefined;
}

function mediaType(value: string): string {
  return (value.split(";")[0] as string).trim().toLowerCase();
}
