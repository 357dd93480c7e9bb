import type { ServerId } from "../../dht-schema/roster.ts";
import type { SipRequest, SipResponse } from "./message/message.ts";

export type SocketTransport = "UDP" | "TCP" | "WS";

/** The path a message came by, or is to take. JSON-safe: the registrar stores it with a contact. */
export type Flow =
  | {
      readonly transport: SocketTransport;
      /** IP literal, without brackets. */
      readonly address: string;
      readonly port: number;
      /** Our end: `address:port` of the listener, which tells listeners apart. */
      readonly listener?: string;
      /** A stream connection of this run of the process; without it TCP connects (reusing a connection to that address), WS fails. */
      readonly connection?: string;
    }
  | { readonly transport: "MESH"; readonly server: ServerId };

/** A request with its server transaction. Retransmissions are absorbed below. */
export interface IncomingRequest {
  readonly request: SipRequest;
  readonly flow: Flow;
  /**
   * Answers; a second final answer is ignored. Via, From, To, Call-ID and CSeq are copied from the request when
   * `headers` of the response lack them; a To tag is added to final answers that need one.
   * @see RFC 3261 §8.2.6
   */
  respond(response: SipResponse): void;
}

export interface ListenAddress {
  readonly transport: SocketTransport;
  readonly address: string;
  readonly port: number;
}

/** Transports and transactions of one node. */
export interface SipStack {
  /** Binds all listeners, or none. @throws {ConfigurationError} `PORT_IN_USE` and the like */
  start(): Promise<void>;
  stop(): Promise<void>;
  /** Bound addresses, port 0 resolved. */
  listening(): readonly ListenAddress[];
  /** Receives every new request (ACK to a 2xx included) but CANCEL of a known INVITE. Set before `start`. */
  onRequest(handler: (incoming: IncomingRequest) => void): void;
  /** Told when a stream connection that a flow named has closed. */
  onFlowClosed(handler: (flow: Flow) => void): void;
  /**
   * Sends a non-INVITE request in a client transaction: adds the top Via, retransmits over UDP, and resolves with the
   * final response, its top Via removed. Never rejects: 408 when nobody answered, 503 when it could not be sent (RFC 3261 §8.1.3.1),
   * marked by `Aorta-Local: 1` in the headers so that the two can be told from a peer's.
   */
  send(request: SipRequest, to: Flow, options?: { readonly signal?: AbortSignal }): Promise<SipResponse>;
}

/** The transport between servers that the mesh gives to the stack. */
export interface MeshTransport {
  send(server: ServerId, message: Uint8Array): boolean;
  receive(receiver: (from: ServerId, message: Uint8Array) => void): void;
}
