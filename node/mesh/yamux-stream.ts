import type { Logger, MessageStreamDirection, StreamOptions } from "@libp2p/interface";
import { StreamMessageEvent } from "@libp2p/interface";
import type { SendResult } from "@libp2p/utils";
import { AbstractStream } from "@libp2p/utils";
import { SchemaError } from "../../dht-schema/schema-error.ts";
import { yamuxFlag, yamuxType } from "./yamux-frames.ts";

/** What either side may send before the other has granted more. */
const INITIAL_WINDOW_BYTES = 256 * 1024;
/** What a peer may send ahead of us: on a path of 100 ms, 10 MB/s. */
const WINDOW_BYTES = 1024 * 1024;
/** Octets of one data frame: other streams get their turn in between. */
const FRAME_BYTES = 64 * 1024;

/** Octets as `AbstractStream` hands them over: in pieces. */
type Pieces = Parameters<AbstractStream["sendData"]>[0];

/** How a stream sends frames; `false` when the connection is full. */
export type SendFrame = (
  frame: { readonly type: number; readonly flags: number; readonly stream: number; readonly length: number },
  data?: Uint8Array,
) => boolean;

/**
 * - `new`: neither side has sent anything; our first frame carries SYN
 * - `accepting`: the peer opened it; our first frame carries ACK
 * - `open`: no more flags to send
 */
type Opening = "new" | "accepting" | "open";

export interface YamuxStreamInit extends StreamOptions {
  readonly number: number;
  readonly direction: MessageStreamDirection;
  readonly log: Logger;
  readonly sendFrame: SendFrame;
}

/** A stream of a yamux session. What is sent and received whole, the usual case, passes by the buffers of `AbstractStream`. */
export class YamuxStream extends AbstractStream {
  readonly number: number;
  readonly #sendFrame: SendFrame;
  #opening: Opening;
  #sendWindow = INITIAL_WINDOW_BYTES;
  /** What the peer may still send; it starts below {@link WINDOW_BYTES}, which our first window update grants. */
  #receiveWindow = INITIAL_WINDOW_BYTES;

  constructor({ number, direction, log, sendFrame, ...options }: YamuxStreamInit) {
    super({ ...options, id: String(number), direction, log });
    this.number = number;
    this.#sendFrame = sendFrame;
    this.#opening = direction === "outbound" ? "new" : "accepting";
  }

  /** Opens or accepts the stream, and the whole window with it. */
  open(): void {
    this.#grant();
  }

  override send(data: Uint8Array | Pieces): boolean {
    if (!(data instanceof Uint8Array) || !this.#canSendAtOnce(data.length)) return super.send(data);
    try {
      return this.#sendOctets(data);
    } catch (error) {
      this.abort(error as Error);
      throw error;
    }
  }

  #canSendAtOnce(bytes: number): boolean {
    const isIdle = this.writeStatus === "writable" && !this.writableNeedsDrain && !this.sendingData;
    return isIdle && this.writeBuffer.byteLength === 0 && bytes <= this.#sendWindow && bytes <= FRAME_BYTES;
  }

  #sendOctets(octets: Uint8Array): boolean {
    this.#sendWindow -= octets.length;
    return this.#frame(yamuxType.data, this.#openingFlags(), octets.length, octets);
  }

  override sendData(data: Pieces): SendResult {
    let sentBytes = 0;
    while (data.byteLength > 0) {
      const size = Math.min(data.byteLength, this.#sendWindow, FRAME_BYTES);
      if (size === 0) return { sentBytes, canSendMore: false };
      const octets = data.subarray(0, size);
      data.consume(size);
      sentBytes += size;
      if (!this.#sendOctets(octets)) return { sentBytes, canSendMore: false };
    }
    return { sentBytes, canSendMore: true };
  }

  override sendReset(): void {
    this.#frame(yamuxType.windowUpdate, yamuxFlag.rst, 0);
  }

  override sendCloseWrite(): Promise<void> {
    this.#frame(yamuxType.windowUpdate, this.#openingFlags() | yamuxFlag.fin, 0);
    return Promise.resolve();
  }

  /** yamux has no frame for it. */
  override sendCloseRead(): Promise<void> {
    return Promise.resolve();
  }

  /** While paused nothing is granted: the peer stops when it has used its window. */
  override sendPause(): void {}

  override sendResume(): void {
    this.#grant();
  }

  /** The peer grants octets, or opens, accepts, ends, resets the stream. */
  receivedWindow(flags: number, bytes: number): void {
    this.receivedFlags(flags);
    this.#sendWindow += bytes;
    if (bytes > 0 && this.writeBuffer.byteLength > 0) this.safeDispatchEvent("drain");
  }

  receivedFlags(flags: number): void {
    if ((flags & yamuxFlag.fin) !== 0) this.onRemoteCloseWrite();
    if ((flags & yamuxFlag.rst) !== 0) this.onRemoteReset();
  }

  /** @throws {SchemaError} `BAD_FRAME` when the peer announces more than it was granted */
  expect(bytes: number): void {
    if (bytes > this.#receiveWindow) throw new SchemaError("BAD_FRAME", "more octets than the window has room for");
    this.#receiveWindow -= bytes;
  }

  received(octets: Uint8Array): void {
    const isDirect = this.readStatus === "readable" && this.remoteWriteStatus === "writable";
    if (isDirect && this.readBuffer.byteLength === 0 && this.listenerCount("message") > 0) {
      this.dispatchEvent(new StreamMessageEvent(octets));
    } else this.onData(octets);
    if (this.#receiveWindow * 2 < WINDOW_BYTES) this.#grant();
  }

  /** Fills the peer's window up again: by halves, not for every message. */
  #grant(): void {
    if (this.readStatus === "paused" || this.status !== "open") return;
    const bytes = WINDOW_BYTES - this.#receiveWindow;
    if (bytes === 0 && this.#opening === "open") return;
    this.#receiveWindow = WINDOW_BYTES;
    this.#frame(yamuxType.windowUpdate, this.#openingFlags(), bytes);
  }

  #openingFlags(): number {
    const opening = this.#opening;
    this.#opening = "open";
    return opening === "new" ? yamuxFlag.syn : opening === "accepting" ? yamuxFlag.ack : 0;
  }

  #frame(type: number, flags: number, length: number, data?: Uint8Array): boolean {
    return this.#sendFrame({ type, flags, stream: this.number, length }, data);
  }
}
