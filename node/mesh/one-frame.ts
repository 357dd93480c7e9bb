import type { Stream } from "@libp2p/interface";
import { FrameSplitter } from "../../dht-schema/frame-splitter.ts";

/**
 * The first frame of a stream.
 * @throws {SchemaError} `FRAME_TOO_LARGE`, `BAD_FRAME`; what closed the stream; the signal's reason
 */
export function readFrame(
  stream: Stream,
  maxBytes: number,
  signal: AbortSignal,
): Promise<{ readonly type: number; readonly body: Uint8Array }> {
  return new Promise((resolve, reject) => {
    const splitter = new FrameSplitter(maxBytes);
    const fail = (error: Error): void => {
      signal.removeEventListener("abort", aborted);
      reject(error);
    };
    const aborted = (): void => fail(signal.reason as Error);
    const ended = (): void => fail(new Error("the peer closed the stream without a word"));
    if (signal.aborted) return aborted();
    signal.addEventListener("abort", aborted);
    stream.addEventListener("close", (event) =>
      fail(event.error ?? new Error("the peer closed the stream without a word")),
    );
    stream.addEventListener("end", ended);
    stream.addEventListener("message", ({ data }) => {
      try {
        splitter.push(data instanceof Uint8Array ? data : data.subarray(), (type, body) => {
          signal.removeEventListener("abort", aborted);
          resolve({ type, body });
          return false;
        });
      } catch (error) {
        fail(error as Error);
      }
    });
  });
}
