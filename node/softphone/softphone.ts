import { type Message, Messager, Registerer, RegistererState, SIPExtension, type URI, UserAgent } from "sip.js";
import { type ImInvitation, type ImSession, invitationOf, inviteSession, msrpDescriptions } from "./im-session.ts";
import { isSuccess, PendingOutcome, type SipOutcome } from "./outcome.ts";
import { type PresenceState, renderPidf } from "./pidf.ts";
import { type PresenceNotification, PresenceSubscription } from "./presence-subscription.ts";
import { Publication } from "./publication.ts";
import type { ClientTransport, ClientTransportOptions } from "./transport/client-transport.ts";
import { TcpTransport } from "./transport/tcp-transport.ts";
import { TlsTransport } from "./transport/tls-transport.ts";
import { UdpTransport } from "./transport/udp-transport.ts";
import { WssTransport, WsTransport } from "./transport/ws-transport.ts";

/** What a softphone speaks SIP over. */
export type SoftphoneTransport = "UDP" | "TCP" | "TLS" | "WS" | "WSS";

/** Whose phone, and at which server. */
export interface SoftphoneOptions {
  /** `sip:alice@example.com` */
  readonly aor: string;
  /** The server that every request goes to. */
  readonly server: {
    readonly transport: SoftphoneTransport;
    readonly host: string;
    readonly port: number;
    /** Certificates, PEM, that the server's has to lead to over TLS and WSS. @default those that Node trusts */
    readonly authorities?: string;
  };
  /** For digest authentication, when the server asks. */
  readonly credentials?: { readonly username: string; readonly password: string };
  /** Asked for with REGISTER, SUBSCRIBE and PUBLISH. @default 600 */
  readonly expiresSeconds?: number;
  /** Sees every message. */
  readonly onWire?: ClientTransportOptions["onWire"];
}

/** A message as its receiver reads it. */
export interface ReceivedMessage {
  /** AoR of the sender, as the From header field says. */
  readonly from: string;
  readonly text: string;
}

const transports = { UDP: UdpTransport, TCP: TcpTransport, TLS: TlsTransport, WS: WsTransport, WSS: WssTransport };
const farewellMs = 1000;

/**
 * A SIP client for presence and instant messages: SIP.js on real sockets. It is of another make than the server:
 * they share no code, so that one's misreading of an RFC is not the other's too.
 */
export class Softphone {
  readonly aor: string;
  readonly #options: SoftphoneOptions;
  readonly #agent: UserAgent;
  readonly #transport: ClientTransport;
  readonly #registerer: Registerer;
  readonly #expiresSeconds: number;
  readonly #closing = new AbortController();
  readonly #subscriptions = new Set<PresenceSubscription>();
  readonly #listeners = new Set<(message: ReceivedMessage) => void>();
  readonly #invited = new Set<(invitation: ImInvitation) => void>();
  #publication: Publication | undefined;
  #faults = 0;
  readonly #requestsSent = new Map<string, number>();

  private constructor(options: SoftphoneOptions) {
    this.#options = options;
    this.#expiresSeconds = options.expiresSeconds ?? 600;
    this.aor = options.aor;
    this.#agent = new UserAgent({
      uri: sipUri(options.aor),
      ...(options.credentials && {
        authorizationUsername: options.credentials.username,
        authorizationPassword: options.credentials.password,
      }),
      // RFC 7118 §5.2: `ws` stands for both.
      contactParams: { transport: options.server.transport.toLowerCase().replace("wss", "ws") },
      delegate: {
        onMessage: (message) => this.#receiveMessage(message),
        onInvite: (invitation) => {
          for (const listener of this.#invited) listener(invitationOf(invitation, this.#closing.signal));
          if (this.#invited.size === 0) void invitation.reject({ statusCode: 480 });
        },
      },
      sipExtensionReplaces: SIPExtension.Supported,
      sessionDescriptionHandlerFactory: msrpDescriptions(() => this.#transport.local()?.address ?? "127.0.0.1"),
      // SIP.js makes branches of 23 bits; a sent-by that no other client has keeps two of them apart. The server
      // answers to where the request came from: RFC 3581.
      viaHost: `${crypto.randomUUID()}.invalid`,
      forceRport: true,
      gracefulShutdown: false,
      logBuiltinEnabled: false,
      userAgentString: "Aorta-softphone SIP.js",
      transportConstructor: transports[options.server.transport],
      transportOptions: {
        host: options.server.host,
        port: options.server.port,
        ...(options.server.authorities !== undefined && { authorities: options.server.authorities }),
        onWire: (direction, message) => this.#observe(direction, message),
        onFault: () => this.#faults++,
      } satisfies ClientTransportOptions,
    });
    this.#transport = this.#agent.transport as ClientTransport;
    this.#registerer = new Registerer(this.#agent, { expires: this.#expiresSeconds, logConfiguration: false });
  }

  /** Connects; nothing is sent to the server yet. @throws {Error} when the server cannot be reached */
  static async open(options: SoftphoneOptions): Promise<Softphone> {
    const phone = new Softphone(options);
    await phone.#agent.start();
    const local = phone.#transport.local();
    if (local !== undefined) {
      phone.#agent.contact.uri.host = local.address.includes(":") ? `[${local.address}]` : local.address;
      phone.#agent.contact.uri.port = local.port;
    }
    return phone;
  }

  /** Connects again after the connection was lost. @throws {Error} when the server cannot be reached */
  reconnect(): Promise<void> {
    return this.#agent.reconnect();
  }

  /** Messages and socket errors that were of no use. */
  get faults(): number {
    return this.#faults;
  }

  /** How many requests of a method have been sent, retransmissions not counted, retries with credentials counted. */
  requestsSent(method: string): number {
    return this.#requestsSent.get(method) ?? 0;
  }

  /** Registers this client; it then refreshes by itself. @see RFC 3261 §10.2 */
  async register(): Promise<SipOutcome> {
    const pending = new PendingOutcome(this.#closing.signal);
    // After a 423 SIP.js tries again by itself, without our delegate; what it does tell is its state.
    const listener = (state: RegistererState): void => {
      if (state === RegistererState.Registered) pending.settle({ status: 200, reason: "OK" });
    };
    this.#registerer.stateChange.addListener(listener);
    await this.#registerer.register({ requestDelegate: pending.delegate });
    return pending.promise.finally(() => this.#registerer.stateChange.removeListener(listener));
  }

  async unregister(): Promise<SipOutcome> {
    const pending = new PendingOutcome(this.#closing.signal);
    await this.#registerer.unregister({ requestDelegate: pending.delegate });
    return pending.promise;
  }

  /** Publishes what watchers shall see; the first call creates the publication, later ones modify it. @see RFC 3903 */
  async publishPresence(state: PresenceState): Promise<SipOutcome> {
    this.#publication ??= new Publication(this.#agent, sipUri(this.aor), this.#expiresSeconds, this.#closing.signal);
    const outcome = await this.#publication.publish(renderPidf(this.aor, "softphone", state));
    if (!isSuccess(outcome)) this.#publication = undefined; // SIP.js does not use a failed publisher again
    return outcome;
  }

  /**
   * Follows a user's presence.
   * @returns the subscription, once the server has answered
   * @throws {Error} when the server refuses
   */
  async subscribePresence(
    aor: string,
    onNotify: (notification: PresenceNotification) => void,
  ): Promise<PresenceSubscription> {
    const subscription = new PresenceSubscription(
      this.#agent,
      sipUri(aor),
      this.#expiresSeconds,
      this.#closing.signal,
      onNotify,
    );
    this.#subscriptions.add(subscription);
    const outcome = await subscription.outcome;
    if (!isSuccess(outcome)) {
      this.#subscriptions.delete(subscription);
      throw new Error(`SUBSCRIBE to ${aor} was answered ${outcome.status} ${outcome.reason}.`);
    }
    return subscription;
  }

  /** Sends a text in pager mode. @see RFC 3428 */
  async sendMessage(aor: string, text: string): Promise<SipOutcome> {
    const pending = new PendingOutcome(this.#closing.signal);
    const messager = new Messager(this.#agent, sipUri(aor), text, "text/plain;charset=utf-8");
    await messager.message({ requestDelegate: pending.delegate });
    return pending.promise;
  }

  /**
   * Rings a user for a session of instant messages.
   * @param giveUp stops the ringing
   * @returns the session, or how the call was answered instead
   */
  openSession(aor: string, giveUp?: AbortSignal): Promise<ImSession | SipOutcome> {
    return inviteSession(this.#agent, sipUri(aor), this.#closing.signal, giveUp);
  }

  /** Calls `listener` when somebody rings; returns how to stop that. Without a listener the caller is told 480. */
  onInvitation(listener: (invitation: ImInvitation) => void): () => void {
    this.#invited.add(listener);
    return () => this.#invited.delete(listener);
  }

  /** Calls `listener` for each message received; returns how to stop that. */
  onMessage(listener: (message: ReceivedMessage) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Ends subscriptions, publication and registration, each with at most a second's patience, and disconnects. */
  async close(): Promise<void> {
    const farewells: Promise<unknown>[] = [...this.#subscriptions].map((subscription) => subscription.close());
    if (this.#publication !== undefined) farewells.push(this.#publication.unpublish());
    if (this.#registerer.state === RegistererState.Registered) farewells.push(this.unregister());
    await Promise.race([Promise.allSettled(farewells), after(farewellMs)]);
    await this.vanish();
  }

  /** Disconnects without a word, as a client that lost its power. Idempotent. */
  async vanish(): Promise<void> {
    this.#closing.abort();
    await this.#transport.disconnect();
    for (const subscription of this.#subscriptions) subscription.dispose();
    await this.#publication?.dispose();
    // SIP.js would wait for the answer to a REGISTER that is under way, 32 s at worst.
    await Promise.race([this.#registerer.dispose(), after(farewellMs)]);
    await this.#agent.stop();
  }

  #receiveMessage(message: Message): void {
    void message.accept();
    const { from, body } = message.request;
    for (const listener of this.#listeners) listener({ from: from.uri.toString(), text: body });
  }

  #observe(direction: "sent" | "received", message: string): void {
    const method = direction === "sent" ? /^([A-Z]+) /.exec(message)?.[1] : undefined;
    if (method !== undefined) this.#requestsSent.set(method, this.requestsSent(method) + 1);
    this.#options.onWire?.(direction, message);
  }
}

function sipUri(text: string): URI {
  const uri = UserAgent.makeURI(text);
  if (uri === undefined) throw new TypeError(`"${text}" is no SIP URI.`);
  return uri;
}

function after(delayMs: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, delayMs).unref());
}
