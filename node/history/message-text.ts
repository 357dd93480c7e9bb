import { isEncoded } from "../sip/message/content-encoding.ts";
import { cpimContent, mediaType } from "../sip/message/cpim.ts";
import type { SipRequest } from "../sip/message/message.ts";

/**
 * What a person wrote in a MESSAGE: plain text, also within CPIM, in whatever character set it says; `undefined` for anything else, such as
 * notifications of delivery, and for what is encoded.
 * @see RFC 3428 §4; RFC 3862; RFC 5438
 */
export function textOf({ headers, body }: SipRequest): string | undefined {
  if (isEncoded(headers)) return undefined;
  const contentType = headers.get("Content-Type") ?? "text/plain";
  const type = mediaType(contentType);
  if (type === "text/plain") return decoded(Buffer.from(body), contentType);
  if (type !== "message/cpim") return undefined;
  const content = cpimContent(body);
  if (content === undefined || mediaType(content.contentType) !== "text/plain") return undefined;
  return decoded(Buffer.from(content.octets, "latin1"), content.contentType);
}

/** UTF-8 where nothing else is said, and where it is not known what is said. */
function decoded(octets: Buffer, contentType: string): string {
  const charset = /;\s*charset\s*=\s*"?([^\s";]+)/i.exec(contentType)?.[1] ?? "utf-8";
  return (decoderOf(charset) ?? new TextDecoder()).decode(octets);
}

function decoderOf(charset: string): InstanceType<typeof TextDecoder> | undefined {
  try {
    return new TextDecoder(charset);
  } catch {
    return undefined;
  }
}
