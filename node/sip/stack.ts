import type { ServerId } from "../../dht-schema/roster.ts";
import type { SipRequest, SipResponse } from "./message/message.ts";

export type SocketTransport = "UDP" | "TCP" | "TLS" | "WS" | "WSS";

/** Where at the other end of a flow somebody listens, as that end said itself. */
export interface Listener {
  readonly port: number;
  /** Whom a TLS server there has to be. */
  readonly host?: string;
}

/** The path a message came by, or is to take. JSON-safe: the registrar stores it with a contact. */
export type Flow =
  | {
      readonly transport: SocketTransport;
      /** IP literal, without brackets. */
      readonly address: string;
      readonly port: number;
      /** Our end: `address:port` that the peer sent to, a listener's, or behind a wildcard one of the machine's addresses. Answers and later requests leave from there. */
      readonly listener?: string;
      /** A stream connection of this run of the process; without it TCP and TLS connect (reusing a connection to that address), WS and WSS fail. */
      readonly connection?: string;
      /** Over WebSocket: who has connected to the proxy at the other end, by its word or by that of whoever is there. */
      readonly forwardedFor?: string;
      /** Over UDP: its sender's Via asked for nothing at the port that it sent from, so requests go to that of its Contact. @see RFC 3581 §3 */
      readonly listensElsewhere?: true;
      /** Over TLS: of a server that the operator trusts, so where its Contact says that it listens may be connected to. */
      readonly trusted?: true;
      /** Whom a TLS server that we connect to has to be. @default its address */
      readonly host?: string;
      /**
       * Where its other end is called, whatever the request says; `null` where it has not said. For who sends within a session, and so writes URI and Route, is not
       * who listens there. @default what the request is for
       */
      readonly calledAt?: Listener | null;
    }
  | { readonly transport: "MESH"; readonly server: ServerId };

/** One that is no link of the mesh. */
export type SocketFlow = Exclude<Flow, { transport: "MESH" }>;

/** Whether nobody on the way can read or change what is sent. @see RFC 3261 §26.2.2 */
export function isSecure({ transport }: Flow): boolean {
  return transport === "TLS" || transport === "WSS" || transport === "MESH";
}

/** The same for all that goes to one other end. */
export function flowKey(flow: Flow): string {
  return flow.transport === "MESH" ? flow.server : `${flow.transport} ${flow.address} ${flow.port}`;
}

/** A request with its server transaction. Retransmissions are absorbed below. */
export interface IncomingRequest {
  readonly request: SipRequest;
  readonly flow: Flow;
  /**
   * Answers; a second final answer is ignored, but that further 2xx to an INVITE go out too (RFC 3261 §16.7 step 5). Via, From, To, Call-ID and CSeq are copied from the request when
   * `headers` of the response lack them; a To tag is added to final answers that need one.
   * @see RFC 3261 §8.2.6
   */
  respond(response: SipResponse): void;
  /**
   * Told once when an INVITE that has no final answer yet is cancelled: who listens answers it. Without a listener the stack
   * answers 487. It is cancelled, too, when its sender's connection has closed and they cannot be reached otherwise, or the link to their server has, and it is not repeated over another.
   * @param listener is given the Reason of the CANCEL, where it has one (RFC 3326)
   * @see RFC 3261 §9.2
   */
  onCancel(listener: (reason: string | undefined) => void): void;
}

/** Where the peer of a request is that was sent over a connection. */
export interface PeerReach {
  /**
   * Asked where a request goes on, as a retransmission to whoever has it already, when the connection has closed by which it was sent and no final answer
   * has come; without it, or with `undefined`, the request has failed.
   */
  readonly reachedAgain?: (closed: Flow) => Promise<Flow | undefined>;
}

/** How long a request other than INVITE is tried. */
export interface RequestOptions extends PeerReach {
  /** Less than the 64·T1 of timer F, ms: whoever asked does not wait that long. */
  readonly withinMs?: number;
}

/** How an INVITE is followed on its way. */
export interface InviteProgress extends PeerReach {
  /** Cancels it, as soon as a provisional response allows that; its reason, where that is a text, becomes the CANCEL's Reason. @see RFC 3261 §9.1, RFC 3326 */
  readonly signal?: AbortSignal;
  readonly onProvisional?: (response: SipResponse) => void;
  /** Where its CANCEL goes: of a peer that has come by another connection nobody may know that it has lost the first. @default where the INVITE went */
  readonly reachedNow?: () => Flow | undefined;
  /** Further 2xx after the first: repeated until their ACK, or of other devices. @see RFC 6026 §7.2 */
  readonly onSuccess?: (response: SipResponse) => void;
}

export interface ListenAddress {
  readonly transport: SocketTransport;
  readonly address: string;
  readonly port: number;
}

/** Of a response made by the stack because no peer gave one. */
export const AORTA_LOCAL = "Aorta-Local";
/** Its value where the request had been sent when the connection or link broke: the peer may have it. */
export const LOCAL_CUT_OFF = "cut-off";

/** Transports and transactions of one node. */
export interface SipStack {
  /** Binds all listeners, or none. @throws {OperationalError} `PORT_IN_USE` and the like @throws {ConfigurationError} */
  start(): Promise<void>;
  stop(): Promise<void>;
  /** Bound addresses, port 0 resolved. @param towards in place of wildcards, the addresses by which the peer of this flow knows this machine */
  listening(towards?: Flow): readonly ListenAddress[];
  /** Our end of a flow, as its peer knows it: what is said of us there in Via (RFC 3261 §18.1.1), Contact and Record-Route. */
  ownEnd(flow: SocketFlow): ListenAddress;
  /** Receives every new request (ACK to a 2xx included) but CANCEL of a known INVITE. Set before `start`. */
  onRequest(handler: (incoming: IncomingRequest) => void): void;
  /** Who sent a request by this flow has shown who they are: a connection that shows nothing for long is closed. */
  known(flow: SocketFlow): void;
  /** Closes the stream connection that a flow names: nobody is at its other end any more. */
  close(flow: Flow): void;
  /** Told when a stream connection that a flow named has closed. */
  onFlowClosed(handler: (flow: Flow) => void): void;
  /**
   * Sends a non-INVITE request in a client transaction: adds the top Via, retransmits over UDP, and resolves with the
   * final response, its top Via removed. Where the connection that `to` names has closed, or a UDP client listens elsewhere, it goes to
   * its Route or Request-URI, as far as `reachable-flow.ts` allows. Never rejects: 408 when nobody answered in time, 503 when it could not be sent (RFC 3261
   * §8.1.3.1), or its way broke before the answer; these are marked by {@link AORTA_LOCAL} in the headers, so that they can be told from a peer's.
   */
  send(request: SipRequest, to: Flow, options?: RequestOptions): Promise<SipResponse>;
}

/** What keeps clients' ways open. */
export interface SipKeepAlives {
  /** Sends a double CRLF over UDP to where a request for a contact would go: a NAT in between keeps its way open, and nobody answers. @see RFC 5626 §3.5.1 */
  keepAlive(contactUri: string, to: Flow): void;
}

/** What sessions need of the stack beside {@link SipStack}. */
export interface SipSessions {
  /**
   * Sends an INVITE. Resolves with the first final response as {@link send} does; one that is not 2xx has been acknowledged,
   * the ACK to a 2xx is the caller's.
   */
  invite(request: SipRequest, to: Flow, options?: InviteProgress): Promise<SipResponse>;
  /** Whether a flow names a connection that is gone. */
  hasClosed(flow: Flow): boolean;
  /** Sends an ACK to a 2xx: it has no transaction and no answer. @see RFC 3261 §13.2.2.4 */
  acknowledge(ack: SipRequest, to: Flow): void;
}

/** The transport between servers that the mesh gives to the stack. */
export interface MeshTransport {
  /** This server: its name in Via. */
  readonly self: ServerId;
  send(server: ServerId, message: Uint8Array): boolean;
  receive(receiver: (from: ServerId, message: Uint8Array) => void): void;
  /** Told when the link to a server is lost: requests that wait for its answer fail at once instead of after 32 s. */
  onDown?(listener: (server: ServerId) => void): void;
}
