/** Octets of a record: what a replica would have to keep of a claim. Its first four are a number that pairs it with its acknowledgement. */
export const RECORD_BYTES = 64;
/** Octets of an acknowledgement: the number. */
export const ACK_BYTES = 4;

/**
 * - `single`: every record and every acknowledgement is a write of its own
 * - `batched`: what one turn of the event loop produces leaves as one write, as Aorta's links do it
 */
export type Framing = "single" | "batched";

/**
 * - `tcp`: a bare socket
 * - `libp2p`: a stream of Aorta's transport: TCP, Noise and yamux, tuned as in `node/mesh/`
 */
export type Transport = "tcp" | "libp2p";

/** A connection, whatever carries it. */
export interface Pipe {
  write(octets: Uint8Array): void;
  onData(listener: (chunk: Buffer) => void): void;
}

/** Calls `onPart` for each part of `size` octets, however the stream was chopped up. */
export function cutter(size: number, onPart: (part: Buffer) => void): (chunk: Buffer) => void {
  let rest: Buffer = Buffer.alloc(0);
  return (chunk) => {
    const bytes = rest.length === 0 ? chunk : Buffer.concat([rest, chunk]);
    let at = 0;
    for (; at + size <= bytes.length; at += size) onPart(bytes.subarray(at, at + size));
    rest = bytes.subarray(at);
  };
}
