import { noise } from "@chainsafe/libp2p-noise";
import type { ConnectionEncrypter, MessageStream } from "@libp2p/interface";
import { serviceCapabilities } from "@libp2p/interface";
import { directReceiver } from "./direct-delivery.ts";
import { noiseCrypto } from "./noise-crypto.ts";

type EncrypterComponents = Parameters<ReturnType<typeof noise>>[0];

/** Octets, possibly in pieces. */
interface Octets {
  subarray(): Uint8Array;
}

/** What is known here of a stream of libp2p's Noise, and of the connection below it. */
interface BufferedStream extends MessageStream {
  readonly readStatus: string;
  readonly writeStatus: string;
  writableNeedsDrain: boolean;
  onData(data: Uint8Array | Octets): void;
}
interface NoiseStream extends BufferedStream {
  readonly handshake: {
    encrypt(plain: Uint8Array): Octets;
    decrypt(sealed: Uint8Array, target: Uint8Array): Octets;
  };
  /** Holds what has come of a frame. */
  readonly decoder: { readonly buffer: { readonly byteLength: number } };
}

/** Of a Noise message on the wire: its length, its tag, the most that it carries. */
const LENGTH_BYTES = 2;
const TAG_BYTES = 16;
const PLAIN_MAX_BYTES = 65_535 - TAG_BYTES;

/**
 * Noise for many small frames. The handshake is libp2p's. After it, what the streams of a connection send in one turn of the
 * event loop is encrypted as one message and written as one buffer; and what comes whole, the usual case, is decrypted in
 * place and handed to the muxer, past three buffers and as many events. Each frame would cost a system call or two and a
 * packet otherwise, and its way through the buffers several times what its encryption costs.
 */
export function quickNoise(): (components: EncrypterComponents) => ConnectionEncrypter {
  return (components) => {
    const inner = noise({ crypto: noiseCrypto })(components);
    return {
      protocol: inner.protocol,
      [serviceCapabilities]: ["@libp2p/connection-encryption"],
      async secureInbound(connection, options) {
        const secured = await inner.secureInbound(sendAsOneBuffer(connection), options);
        return quickened(secured, connection);
      },
      async secureOutbound(connection, options) {
        const secured = await inner.secureOutbound(sendAsOneBuffer(connection), options);
        return quickened(secured, connection);
      },
    } as ConnectionEncrypter;
  };
}

function quickened<T extends { readonly connection: MessageStream }>(secured: T, below: MessageStream): T {
  const stream = secured.connection as NoiseStream;
  joinSends(stream, below);
  passReceived(stream, below as BufferedStream);
  return secured;
}

/** The parts of a message leave in one write: TCP writes each buffer of a list on its own. */
function sendAsOneBuffer(stream: MessageStream): MessageStream {
  const send = stream.send.bind(stream);
  stream.send = (data) => send(data.subarray());
  return stream;
}

/** What is sent in one turn leaves at its end, or when the connection below is closed. */
function joinSends(stream: NoiseStream, below: MessageStream): void {
  const send = stream.send.bind(stream);
  const closeBelow = below.close.bind(below);
  const isOpen = () => stream.status === "open" && below.status === "open";
  const isIdle = () =>
    stream.writeStatus === "writable" && stream.writeBufferLength === 0 && !stream.writableNeedsDrain;
  let waiting: Uint8Array[] = [];
  const flush = () => {
    const joined = waiting.length === 1 ? waiting[0] : Buffer.concat(waiting);
    waiting = [];
    // Where the connection has ended meanwhile, what was on its way is lost with it, as in a socket's buffer.
    if (joined === undefined || joined.length === 0 || !isOpen()) return;
    unlessClosed(() => {
      if (!isIdle()) send(joined);
      else if (!below.send(seal(stream, joined))) stream.writableNeedsDrain = true;
    });
  };
  stream.send = (data) => {
    if (!isOpen()) return send(data);
    // After every socket that can be read was: the answers to what came on them join too.
    if (waiting.length === 0) setImmediate(flush);
    if (data instanceof Uint8Array) waiting.push(data);
    else waiting.push(...data);
    return !stream.writableNeedsDrain;
  };
  below.close = (options) => {
    flush();
    return closeBelow(options);
  };
}

/** As many Noise messages as the octets need, in one buffer. */
function seal({ handshake }: NoiseStream, plain: Uint8Array): Uint8Array {
  const count = Math.ceil(plain.length / PLAIN_MAX_BYTES);
  const sealed = Buffer.allocUnsafe(plain.length + count * (LENGTH_BYTES + TAG_BYTES));
  let to = 0;
  for (let from = 0; from < plain.length; from += PLAIN_MAX_BYTES) {
    const message = handshake.encrypt(plain.subarray(from, from + PLAIN_MAX_BYTES)).subarray();
    to = sealed.writeUInt16BE(message.length, to);
    sealed.set(message, to);
    to += message.length;
  }
  return sealed;
}

/** Hands what comes to whoever asked for it directly, as long as nothing that came before waits in a buffer on the way. */
function passReceived(stream: NoiseStream, below: BufferedStream): void {
  const buffer = below.onData.bind(below);
  const isClear = () =>
    below.readStatus === "readable" &&
    below.readBufferLength === 0 &&
    stream.readStatus === "readable" &&
    stream.readBufferLength === 0 &&
    stream.decoder.buffer.byteLength === 0;
  let rest: Uint8Array | undefined;
  below.onData = (data) => {
    const chunk = data.subarray();
    const octets = rest === undefined ? chunk : Buffer.concat([rest, chunk]);
    rest = undefined;
    const receiver = directReceiver(stream);
    if (receiver === undefined || !isClear()) return buffer(octets);
    let at = 0;
    while (octets.length - at >= LENGTH_BYTES) {
      const start = at + LENGTH_BYTES;
      const end = start + (((octets[at] as number) << 8) | (octets[at + 1] as number));
      if (end > octets.length) break;
      let plain: Uint8Array;
      try {
        plain = stream.handshake
          .decrypt(octets.subarray(start, end), octets.subarray(start, end - TAG_BYTES))
          .subarray();
      } catch (error) {
        return stream.abort(error as Error);
      }
      at = end;
      receiver(plain);
      // A receiver may pause the stream or end it: what is left goes the usual way.
      if (!isClear()) return at < octets.length ? buffer(octets.subarray(at)) : undefined;
    }
    if (at < octets.length) rest = octets.subarray(at);
  };
}

/** Sends, unless that throws because the connection is closed. */
function unlessClosed(send: () => void): void {
  try {
    send();
  } catch (error) {
    if ((error as Error).name !== "StreamStateError") throw error;
  }
}
