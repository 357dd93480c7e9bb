import type { AbortOptions, MessageStream, StreamMuxerFactory } from "@libp2p/interface";
import { MuxerClosedError, serviceCapabilities, TooManyOutboundProtocolStreamsError } from "@libp2p/interface";
import { AbstractStreamMuxer } from "@libp2p/utils";
import { SchemaError } from "../../dht-schema/schema-error.ts";
import { limits } from "../runtime/limits.ts";
import { deliverDirectly } from "./direct-delivery.ts";
import type { YamuxHeader } from "./yamux-frames.ts";
import { encodeHeader, goAwayCode, yamuxFlag, YamuxReader, yamuxType } from "./yamux-frames.ts";
import { YamuxStream } from "./yamux-stream.ts";

const PROTOCOL = "/yamux/1.0.0";

/**
 * Stream multiplexing by yamux. Where the one of libp2p answers every message with a window update, one more packet each,
 * and takes three copies and several hundred small objects to carry one, this one grants windows by halves and hands on
 * views. It speaks to any other yamux.
 * @see https://github.com/hashicorp/yamux/blob/master/spec.md
 */
export function yamux(): () => StreamMuxerFactory {
  return () => ({
    protocol: PROTOCOL,
    [serviceCapabilities]: ["@libp2p/stream-multiplexing"],
    createStreamMuxer: (connection: MessageStream) => new YamuxMuxer(connection),
  });
}

class YamuxMuxer extends AbstractStreamMuxer<YamuxStream> {
  readonly #byNumber = new Map<number, YamuxStream>();
  readonly #reader: YamuxReader;
  readonly #isClient: boolean;
  #nextNumber: number;
  #inbound = 0;
  /** The data frame that comes in: of which stream (none where it is to be dropped), and what its flags are. */
  #incoming: { readonly stream: YamuxStream | undefined; readonly flags: number } | undefined;

  constructor(connection: MessageStream) {
    super(connection, { protocol: PROTOCOL, name: "yamux" });
    this.#isClient = connection.direction === "outbound";
    this.#nextNumber = this.#isClient ? 1 : 2;
    this.#reader = new YamuxReader({
      header: (header) => this.#header(header),
      data: (octets, isLast) => this.#data(octets, isLast),
    });
    deliverDirectly(connection, (octets) => this.#receive(octets));
  }

  #receive(octets: Uint8Array): void {
    try {
      this.#reader.push(octets);
    } catch (error) {
      this.abort(error as Error);
      this.maConn.abort(error as Error);
    }
  }

  override onData(data: Uint8Array | { subarray(): Uint8Array }): void {
    this.#reader.push(data instanceof Uint8Array ? data : data.subarray());
  }

  override onCreateStream(): YamuxStream {
    if (this.status !== "open") throw new MuxerClosedError();
    if (this.#byNumber.size - this.#inbound >= limits.mesh.streams) {
      throw new TooManyOutboundProtocolStreamsError("too many streams on this connection");
    }
    const stream = this.#newStream(this.#nextNumber, "outbound");
    this.#nextNumber += 2;
    // Not before whoever asked for the stream has it: its answer could come first.
    queueMicrotask(() => stream.open());
    return stream;
  }

  override async close(options?: AbortOptions): Promise<void> {
    if (this.status !== "open") return;
    await super.close(options);
    this.#session(yamuxType.goAway, 0, goAwayCode.normal);
  }

  override abort(error: Error): void {
    if (this.status !== "open") return;
    super.abort(error);
    const code = error instanceof SchemaError ? goAwayCode.protocolError : goAwayCode.internalError;
    this.#session(yamuxType.goAway, 0, code);
  }

  #newStream(number: number, direction: "inbound" | "outbound"): YamuxStream {
    const stream = new YamuxStream({
      number,
      direction,
      log: this.log.newScope(`${direction}:${number}`),
      sendFrame: (header, data) => this.#send(header, data),
    });
    this.#byNumber.set(number, stream);
    if (direction === "inbound") this.#inbound++;
    const forget = () => {
      if (this.#byNumber.delete(number) && direction === "inbound") this.#inbound--;
    };
    stream.addEventListener("close", forget, { once: true });
    return stream;
  }

  #header(header: YamuxHeader): void {
    const { type, flags, stream: number, length } = header;
    if (number === 0) return this.#sessionFrame(header);
    if ((flags & yamuxFlag.syn) !== 0) this.#peerOpens(number);
    const stream = this.#byNumber.get(number);
    if (type === yamuxType.windowUpdate) stream?.receivedWindow(flags, length);
    else if (type === yamuxType.data) {
      stream?.expect(length);
      this.#incoming = { stream, flags };
      if (length === 0) stream?.receivedFlags(flags);
    } else throw new SchemaError("BAD_FRAME", "a session's frame on a stream");
  }

  #data(octets: Uint8Array, isLast: boolean): void {
    const { stream, flags } = this.#incoming ?? {};
    stream?.received(octets);
    // The end of a stream comes after its last octets.
    if (isLast && flags !== undefined) stream?.receivedFlags(flags);
  }

  #sessionFrame({ type, flags, length }: YamuxHeader): void {
    if (type === yamuxType.ping) {
      if ((flags & yamuxFlag.syn) !== 0) this.#session(yamuxType.ping, yamuxFlag.ack, length);
    } else if (type !== yamuxType.goAway) {
      throw new SchemaError("BAD_FRAME", "a stream's frame on the session");
    } else if (length === goAwayCode.normal) this.onTransportClosed();
    else this.abort(new Error(`the peer ended the session, code ${length}`));
  }

  #peerOpens(number: number): void {
    if ((number % 2 === 0) !== this.#isClient) throw new SchemaError("BAD_FRAME", "a stream number of ours");
    if (this.#byNumber.has(number)) throw new SchemaError("BAD_FRAME", "the stream is open already");
    if (this.status !== "open" || this.#inbound >= limits.mesh.streams) {
      this.#send({ type: yamuxType.windowUpdate, flags: yamuxFlag.rst, stream: number, length: 0 });
      return;
    }
    const stream = this.#newStream(number, "inbound");
    stream.open();
    this.onRemoteStream(stream);
  }

  #session(type: number, flags: number, length: number): void {
    this.#send({ type, flags, stream: 0, length });
  }

  /** False when the connection is full, or closed: then its `close` event tells the streams. */
  #send(header: YamuxHeader, data?: Uint8Array): boolean {
    try {
      const more = this.send(encodeHeader(header));
      return data === undefined ? more : this.send(data);
    } catch (error) {
      if ((error as Error).name !== "StreamStateError") throw error;
      return false;
    }
  }
}
