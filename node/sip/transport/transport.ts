import type { SipParseError } from "../message/sip-parse-error.ts";
import type { Flow, ListenAddress } from "../stack.ts";

/** What a transport tells the stack. */
export interface TransportEvents {
  /** The octets of one message. */
  received(bytes: Uint8Array, flow: Flow): void;
  /** Octets that no message can be found in. What is sent in reply within the call still leaves before the connection closes. */
  broken(error: SipParseError, flow: Flow): void;
  /** A connection has closed. */
  closed(flow: Flow): void;
}

/** One listener, and what is sent from it. */
export interface Transport {
  readonly name: Flow["transport"];
  /** @throws {ConfigurationError} `PORT_IN_USE`, `ADDRESS_NOT_AVAILABLE`, `PORT_FORBIDDEN` */
  start(): Promise<void>;
  /** Closes the listener and its connections. Idempotent. */
  stop(): Promise<void>;
  /** The bound address; `undefined` where there is none, as in the mesh. */
  address(): ListenAddress | undefined;
  /** Sends or queues; `failed` is called, at most once and maybe at once, when that turns out to be impossible. */
  send(flow: Flow, bytes: Uint8Array, failed: (reason: string) => void): void;
}
