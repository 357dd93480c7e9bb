import type { MessageStream, StreamMuxerFactory } from "@libp2p/interface";
import { yamux } from "@libp2p/yamux";

/**
 * yamux over connections that swallow frames once they are closed. yamux 8.0 sends the first frame of a new stream from a microtask; where
 * the connection closes in between (a peer that thaws finds all its connections reset in one turn), the connection's `send` throws there, where
 * nobody can catch it, and the process ends. The streams learn of the end from the connection's `close` event in any case.
 */
export function steadyYamux(): () => StreamMuxerFactory {
  return () => {
    const factory = yamux()();
    const create = factory.createStreamMuxer.bind(factory);
    factory.createStreamMuxer = (connection) => create(swallowWhenClosed(connection));
    return factory;
  };
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
