/** The type of a Content-Type value, lower case, without parameters. */
export function mediaType(contentType: string): string {
  return (contentType.split(";", 1)[0] as string).trim().toLowerCase();
}

/** What a CPIM message carries. */
export interface CpimContent {
  /** Value of its Content-Type. @default `text/plain` */
  readonly contentType: string;
  /** An octet a character, until it is known what they mean. */
  readonly octets: string;
}

/**
 * The content of a `message/cpim` body; `undefined` where it is none. The fields of the message, an empty line, those of the content, an empty line, the
 * content.
 * @see RFC 3862 §2, §3.1
 */
export function cpimContent(body: Uint8Array): CpimContent | undefined {
  const text = Buffer.from(body.buffer, body.byteOffset, body.byteLength).toString("latin1");
  const [, fields, octets] = /^[\s\S]*?\r?\n\r?\n([\s\S]*?)\r?\n\r?\n([\s\S]*)$/.exec(text) ?? [];
  if (fields === undefined || octets === undefined) return undefined;
  return { contentType: /^content-type[ \t]*:[ \t]*([^\r\n]*)/im.exec(fields)?.[1] ?? "text/plain", octets };
}
