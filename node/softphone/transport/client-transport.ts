import { EmitterImpl, type Transport, TransportState } from "sip.js";

/** Where the server listens, and what to tell about the traffic. */
export interface ClientTransportOptions {
  /** IP literal or name. */
  readonly host: string;
  readonly port: number;
  /** Certificates, PEM, that the server's has to lead to over TLS and WSS. @default those that Node trusts */
  readonly authorities?: string;
  /** Sees every message as text, e.g. for a trace. */
  readonly onWire?: (direction: "sent" | "received", message: string) => void;
  /** Told of what arrived but could not be used; the transport goes on. */
  readonly onFault?: (error: unknown) => void;
}

/** Our end of an open transport. */
export interface LocalAddress {
  readonly address: string;
  readonly port: number;
}

/**
 * The states and callbacks that SIP.js wants of a transport; what differs between sockets is left to `open`,
 * `transmit` and `shut`. SIP.js brings only one for a browser's WebSocket.
 */
export abstract class ClientTransport implements Transport {
  /** As in the Via header field. @see RFC 3261 §20.42 */
  abstract readonly protocol: "UDP" | "TCP" | "TLS" | "WS" | "WSS";
  onConnect: (() => void) | undefined;
  onDisconnect: ((error?: Error) => void) | undefined;
  onMessage: ((message: string) => void) | undefined;
  readonly stateChange = new EmitterImpl<TransportState>();
  protected readonly options: ClientTransportOptions;
  #state = TransportState.Disconnected;
  #opening: Promise<void> | undefined;

  constructor(_logger: unknown, options: ClientTransportOptions) {
    this.options = options;
  }

  /** Our end, once connected; a WebSocket client of RFC 7118 has none that others could reach. */
  abstract local(): LocalAddress | undefined;
  protected abstract open(): Promise<void>;
  protected abstract transmit(message: Buffer): Promise<void>;
  protected abstract shut(): Promise<void>;

  get state(): TransportState {
    return this.#state;
  }

  isConnected(): boolean {
    return this.#state === TransportState.Connected;
  }

  /** disconnected → connecting → connected */
  connect(): Promise<void> {
    if (this.isConnected()) return Promise.resolve();
    this.#opening ??= this.#connect().finally(() => (this.#opening = undefined));
    return this.#opening;
  }

  /** any → disconnecting → disconnected */
  async disconnect(): Promise<void> {
    if (this.#state === TransportState.Disconnected || this.#state === TransportState.Disconnecting) return;
    const wasConnected = this.isConnected();
    this.#enter(TransportState.Disconnecting);
    await this.shut();
    this.#enter(TransportState.Disconnected);
    if (wasConnected) this.onDisconnect?.();
  }

  dispose(): Promise<void> {
    return this.disconnect();
  }

  async send(message: string): Promise<void> {
    if (!this.isConnected()) throw new Error(`Not connected to ${this.options.host}:${this.options.port}.`);
    this.options.onWire?.("sent", message);
    await this.transmit(Buffer.from(message, "utf8"));
  }

  /** For subclasses: one whole message has arrived. */
  protected deliver(message: Buffer): void {
    const text = message.toString("utf8");
    this.options.onWire?.("received", text);
    try {
      this.onMessage?.(text);
    } catch (error) {
      // SIP.js throws on some malformed messages; one of them must not end the client.
      this.options.onFault?.(error);
    }
  }

  /** For subclasses: the network or the server ended the connection. connected → disconnected */
  protected lost(error: Error): void {
    if (!this.isConnected()) return;
    this.#enter(TransportState.Disconnected);
    this.onDisconnect?.(error);
  }

  async #connect(): Promise<void> {
    this.#enter(TransportState.Connecting);
    try {
      await this.open();
    } catch (error) {
      this.#enter(TransportState.Disconnected);
      throw error;
    }
    this.#enter(TransportState.Connected);
    this.onConnect?.();
  }

  #enter(state: TransportState): void {
    this.#state = state;
    this.stateChange.emit(state);
  }
}
