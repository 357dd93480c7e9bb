import { SchemaError } from "../../dht-schema/schema-error.ts";

/** Octets of a frame's header. @see https://github.com/hashicorp/yamux/blob/master/spec.md */
export const HEADER_BYTES = 12;

export const yamuxType = { data: 0, windowUpdate: 1, ping: 2, goAway: 3 } as const;
export const yamuxFlag = { syn: 1, ack: 2, fin: 4, rst: 8 } as const;

/** Why a side ends the session. */
export const goAwayCode = { normal: 0, protocolError: 1, internalError: 2 } as const;

/** A header. What `length` means depends on the type: octets that follow, octets granted, a ping's token, a code. */
export interface YamuxHeader {
  readonly type: number;
  readonly flags: number;
  readonly stream: number;
  readonly length: number;
}

/** The octets of a header. */
export function encodeHeader({ type, flags, stream, length }: YamuxHeader): Uint8Array {
  const octets = new Uint8Array(HEADER_BYTES);
  octets[1] = type;
  octets[3] = flags;
  putUint32(octets, 4, stream);
  putUint32(octets, 8, length);
  return octets;
}

function putUint32(octets: Uint8Array, at: number, value: number): void {
  octets[at] = value >>> 24;
  octets[at + 1] = value >>> 16;
  octets[at + 2] = value >>> 8;
  octets[at + 3] = value;
}

function uint32(octets: Uint8Array, at: number): number {
  const [a, b, c, d] = [octets[at], octets[at + 1], octets[at + 2], octets[at + 3]] as [number, number, number, number];
  return a * 0x100_0000 + ((b << 16) | (c << 8) | d);
}

function decodeHeader(octets: Uint8Array, at: number): YamuxHeader {
  const [version, type] = [octets[at], octets[at + 1] as number];
  if (version !== 0 || type > yamuxType.goAway) throw new SchemaError("BAD_FRAME", "not a frame of yamux");
  const flags = ((octets[at + 2] as number) << 8) | (octets[at + 3] as number);
  return { type, flags, stream: uint32(octets, at + 4), length: uint32(octets, at + 8) };
}

/** What becomes of frames. */
export interface FrameSink {
  /** A header; of a data frame before its octets. */
  header(header: YamuxHeader): void;
  /** Some of the octets of the data frame that the last header began: a view on the chunk. `isLast` when it is complete. */
  data(octets: Uint8Array, isLast: boolean): void;
}

/** Takes frames out of chunks, however they were cut. Data are handed on as they come: nothing of them is kept or copied. */
export class YamuxReader {
  readonly #sink: FrameSink;
  readonly #partial = new Uint8Array(HEADER_BYTES);
  #partialBytes = 0;
  #dataLeft = 0;

  constructor(sink: FrameSink) {
    this.#sink = sink;
  }

  /** @throws {SchemaError} `BAD_FRAME` */
  push(chunk: Uint8Array): void {
    let at = 0;
    while (at < chunk.length) {
      if (this.#dataLeft > 0) {
        const end = Math.min(chunk.length, at + this.#dataLeft);
        this.#dataLeft -= end - at;
        this.#sink.data(chunk.subarray(at, end), this.#dataLeft === 0);
        at = end;
      } else if (this.#partialBytes === 0 && chunk.length - at >= HEADER_BYTES) {
        this.#header(chunk, at);
        at += HEADER_BYTES;
      } else {
        const taken = Math.min(HEADER_BYTES - this.#partialBytes, chunk.length - at);
        this.#partial.set(chunk.subarray(at, at + taken), this.#partialBytes);
        this.#partialBytes += taken;
        at += taken;
        if (this.#partialBytes < HEADER_BYTES) return;
        this.#partialBytes = 0;
        this.#header(this.#partial, 0);
      }
    }
  }

  #header(octets: Uint8Array, at: number): void {
    const header = decodeHeader(octets, at);
    if (header.type === yamuxType.data) this.#dataLeft = header.length;
    this.#sink.header(header);
  }
}
