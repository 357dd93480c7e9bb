import type { MessageStream } from "@libp2p/interface";

/** Who takes the octets of a connection without events and buffers in between. */
type Receiver = (octets: Uint8Array) => void;

const receivers = new WeakMap<MessageStream, Receiver>();

/** Asks for a connection's octets as they come, where it can deliver so; else they come as `message` events. */
export function deliverDirectly(connection: MessageStream, receiver: Receiver): void {
  receivers.set(connection, receiver);
}

/** Who asked for a connection's octets by {@link deliverDirectly}. */
export function directReceiver(connection: MessageStream): Receiver | undefined {
  return receivers.get(connection);
}
