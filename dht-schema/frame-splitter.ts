import { FRAME_MAX_BYTES } from "./link-frames.ts";
import { SchemaError } from "./schema-error.ts";

/** Where the splitter is between two chunks. */
type State =
  /** In the length of a frame; `length` is what its octets so far say. */
  | { readonly kind: "length"; readonly length: number; readonly octets: number }
  /** In a frame of which `filled` octets have come. */
  | { readonly kind: "frame"; readonly frame: Uint8Array; readonly filled: number };

const BETWEEN: State = { kind: "length", length: 0, octets: 0 };

/**
 * Cuts a stream of octets into frames, however it was chopped up. Bodies within one chunk are views on it; only a frame
 * that spans chunks is copied, once.
 */
export class FrameSplitter {
  readonly #maxBytes: number;
  #state: State = BETWEEN;

  /** @param maxBytes most octets of a frame, its type included */
  constructor(maxBytes: number = FRAME_MAX_BYTES) {
    this.#maxBytes = maxBytes;
  }

  /**
   * Calls `onFrame` for each frame that the chunk completes. Where `onFrame` returns false, the rest is dropped.
   * @throws {SchemaError} `FRAME_TOO_LARGE` before anything is allocated for it; `BAD_FRAME`
   */
  push(chunk: Uint8Array, onFrame: (type: number, body: Uint8Array) => boolean): void {
    let at = 0;
    while (at < chunk.length) {
      if (this.#state.kind === "frame") {
        const { frame, filled } = this.#state;
        const taken = Math.min(frame.length - filled, chunk.length - at);
        frame.set(chunk.subarray(at, at + taken), filled);
        at += taken;
        if (filled + taken < frame.length) {
          this.#state = { kind: "frame", frame, filled: filled + taken };
          return;
        }
        this.#state = BETWEEN;
        if (!onFrame(frame[0] as number, frame.subarray(1))) return;
        continue;
      }
      let { length, octets } = this.#state;
      let octet: number;
      do {
        if (at === chunk.length) {
          this.#state = { kind: "length", length, octets };
          return;
        }
        octet = chunk[at++] as number;
        length += (octet & 0x7f) * 0x80 ** octets;
        octets++;
        if (length > this.#maxBytes || octets > 4) {
          throw new SchemaError("FRAME_TOO_LARGE", `frame of more than ${this.#maxBytes} octets`);
        }
      } while (octet >= 0x80);
      if (length === 0) throw new SchemaError("BAD_FRAME", "frame without a type");
      if (octet === 0) throw new SchemaError("BAD_FRAME", "length not in its shortest form");
      this.#state = BETWEEN;
      if (chunk.length - at >= length) {
        const end = at + length;
        if (!onFrame(chunk[at] as number, chunk.subarray(at + 1, end))) return;
        at = end;
      } else {
        this.#state = { kind: "frame", frame: new Uint8Array(length), filled: 0 };
      }
    }
  }
}
