import type { MessageStream, StreamMuxer, StreamMuxerFactory } from "@libp2p/interface";
import { yamux } from "@libp2p/yamux";

/** What is known here of a yamux stream; the numbers are octets. */
interface WindowedStream {
  readonly state: number;
  readonly recvWindow: number;
  readonly recvWindowCapacity: number;
  sendWindowUpdate(): void;
}

/** yamux's state of a stream on which both sides have sent something. */
const ESTABLISHED = 3;

/**
 * yamux over connections that swallow frames once they are closed. yamux 8.0 sends the first frame of a new stream from a microtask; where
 * the connection closes in between (a peer that thaws finds all its connections reset in one turn), the connection's `send` throws there, where
 * nobody can catch it, and the process ends. The streams learn of the end from the connection's `close` event in any case.
 *
 * It also answers every frame with a window update: as many more packets as there are messages. Here the window is opened again when half of
 * it is used.
 */
export function steadyYamux(): () => StreamMuxerFactory {
  return () => {
    const factory = yamux()();
    const create = factory.createStreamMuxer.bind(factory);
    factory.createStreamMuxer = (connection) => openWindowsByHalves(create(swallowWhenClosed(connection)));
    return factory;
  };
}

function openWindowsByHalves<M extends StreamMuxer>(muxer: M): M {
  const streams = muxer as unknown as {
    onCreateStream(options: object): WindowedStream;
    onRemoteStream(stream: WindowedStream): void;
  };
  const onCreateStream = streams.onCreateStream.bind(streams);
  const onRemoteStream = streams.onRemoteStream.bind(streams);
  streams.onCreateStream = (options) => openByHalves(onCreateStream(options));
  streams.onRemoteStream = (stream) => onRemoteStream(openByHalves(stream));
  return muxer;
}

function openByHalves(stream: WindowedStream): WindowedStream {
  const send = stream.sendWindowUpdate.bind(stream);
  stream.sendWindowUpdate = () => {
    // Before that, an update is what opens the stream or accepts it.
    if (stream.state === ESTABLISHED && stream.recvWindowCapacity * 2 > stream.recvWindow) return;
    send();
  };
  return stream;
}

function swallowWhenClosed(connection: MessageStream): MessageStream {
  const send = connection.send.bind(connection);
  connection.send = (data) => unlessClosed(() => send(data));
  return connection;
}

/** What `send` answers; false where it throws because the connection is closed. */
export function unlessClosed(send: () => boolean): boolean {
  try {
    return send();
  } catch (error) {
    if ((error as Error).name !== "StreamStateError") throw error;
    return false;
  }
}
