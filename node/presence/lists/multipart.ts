/** One part of a message body. */
export interface Part {
  readonly contentType: string;
  /** Content-ID without its angle brackets. */
  readonly contentId: string;
  readonly body: Uint8Array;
}

/** A multipart/related body with the type that names its root and its boundary. */
export interface Multipart {
  readonly contentType: string;
  readonly body: Uint8Array;
}

/** Octets that a part needs beside its body, at most. */
export const PART_OVERHEAD_BYTES = 200;

/**
 * Several parts as one body, the first one its root.
 * @param boundary that no part contains: unguessable, so that nobody could have put it there
 * @see RFC 2387 §3, RFC 2046 §5.1
 */
export function joinParts(parts: readonly [Part, ...Part[]], boundary: string): Multipart {
  const chunks: Uint8Array[] = [];
  for (const { contentType, contentId, body } of parts) {
    chunks.push(
      Buffer.from(
        `--${boundary}\r\nContent-Transfer-Encoding: binary\r\nContent-ID: <${contentId}>\r\nContent-Type: ${contentType}\r\n\r\n`,
      ),
      body,
      Buffer.from("\r\n"),
    );
  }
  chunks.push(Buffer.from(`--${boundary}--\r\n`));
  const [root] = parts;
  const type = root.contentType.split(";", 1)[0] as string;
  return {
    contentType: `multipart/related;type="${type}";start="<${root.contentId}>";boundary="${boundary}"`,
    body: Buffer.concat(chunks),
  };
}
