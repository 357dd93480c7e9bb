import { noise } from "@chainsafe/libp2p-noise";
import type { ConnectionEncrypter, MessageStream } from "@libp2p/interface";
import { serviceCapabilities } from "@libp2p/interface";
import { noiseCrypto } from "./noise-crypto.ts";
import { unlessClosed } from "./steady-yamux.ts";

type EncrypterComponents = Parameters<ReturnType<typeof noise>>[0];

/**
 * Noise for many small frames: what the streams of a connection send in one turn of the event loop is encrypted as one
 * message and written as one buffer. Without it each frame, and each of yamux's window updates that answer them, costs
 * an encryption, two system calls and mostly two packets.
 */
export function joiningNoise(): (components: EncrypterComponents) => ConnectionEncrypter {
  return (components) => {
    const inner = noise({ crypto: noiseCrypto })(components);
    return {
      protocol: inner.protocol,
      [serviceCapabilities]: ["@libp2p/connection-encryption"],
      async secureInbound(connection, options) {
        const secured = await inner.secureInbound(sendAsOneBuffer(connection), options);
        return tuned(secured, connection);
      },
      async secureOutbound(connection, options) {
        const secured = await inner.secureOutbound(sendAsOneBuffer(connection), options);
        return tuned(secured, connection);
      },
    } as ConnectionEncrypter;
  };
}

function tuned<T extends { readonly connection: MessageStream }>(secured: T, below: MessageStream): T {
  joinSends(secured.connection, below);
  endChunksCheaply(secured.connection);
  return secured;
}

/** The parts of a message leave in one write: TCP writes each buffer of a list on its own. */
function sendAsOneBuffer(stream: MessageStream): MessageStream {
  const send = stream.send.bind(stream);
  stream.send = (data) => send(data.subarray());
  return stream;
}

/** What is sent in one turn leaves at its end, or when the connection below is closed. */
function joinSends(stream: MessageStream, below: MessageStream): void {
  const send = stream.send.bind(stream);
  const closeBelow = below.close.bind(below);
  const isOpen = () => stream.status === "open" && below.status === "open";
  let waiting: Uint8Array[] = [];
  const flush = () => {
    const joined = waiting.length === 1 ? waiting[0] : Buffer.concat(waiting);
    waiting = [];
    // Where the connection has ended meanwhile, what was on its way is lost with it, as in a socket's buffer.
    if (joined !== undefined && joined.length > 0 && isOpen()) unlessClosed(() => send(joined));
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

/**
 * The decoder of a Noise stream finds the end of every chunk by an error, whose stack trace costs more than the decoding. Where
 * a length is incomplete, any length that has not come yet says the same: wait for more.
 */
function endChunksCheaply(stream: MessageStream): void {
  const { decoder } = stream as { readonly decoder?: { lengthDecoder?(octets: { readonly length: number }): number } };
  const decode = decoder?.lengthDecoder;
  if (decoder === undefined || decode === undefined) return;
  decoder.lengthDecoder = (octets) => (octets.length < 2 ? 1 : decode(octets));
}
