import type { Connection, ConnectionGater, Libp2p, Stream, StreamHandler } from "@libp2p/interface";
import { systemClock } from "../runtime/clock.ts";
import { limits } from "../runtime/limits.ts";
import { LineLimit } from "../runtime/line-limit.ts";
import type { Logger } from "../runtime/logger.ts";
import type { Counters } from "../runtime/metrics.ts";
import type { Admission, Standing } from "./admission.ts";
import { meshCounter } from "./counters.ts";
import { Handshakes, otherMachine } from "./handshakes.ts";

/** The part of libp2p's registrar that takes handlers. */
interface HandlerRegistry {
  handle(protocol: string, handler: StreamHandler, options?: object): Promise<void>;
}

/** Carries out what {@link Admission} decides: refuses connections and streams, and cuts strangers off. */
export class Guard {
  readonly #admission: Admission;
  readonly #counters: Counters;
  readonly #logger: Logger;
  readonly #strangers = new Map<Connection, NodeJS.Timeout>();
  readonly #handshakes = new Handshakes();
  readonly #lines = new LineLimit(limits.mesh.strangerLinesPerSecond);

  constructor(admission: Admission, counters: Counters, logger: Logger) {
    this.#admission = admission;
    this.#counters = counters;
    this.#logger = logger;
  }

  /** For libp2p's `connectionGater`. An encrypted connection's Noise handshake has proved the peer id, and nothing has been spoken yet. */
  gater(): ConnectionGater {
    return {
      denyDialPeer: (peer) => !this.#admission.mayDial(peer.toString()),
      denyInboundConnection: (connection) => {
        const begins = this.#handshakes.begin(connection);
        if (!begins) this.#counters.add(meshCounter.handshakesRefused);
        return !begins;
      },
      denyInboundEncryptedConnection: (peer, connection) => {
        this.#handshakes.end(connection);
        const refused = !this.#admission.mayConnect(peer.toString());
        if (refused) this.#refuse(peer.toString(), "refused");
        return refused;
      },
      denyOutboundEncryptedConnection: (peer) => !this.#admission.mayDial(peer.toString()),
    };
  }

  /**
   * The components of a libp2p service, with a registrar whose handlers are wrapped: a peer that may not speak the protocol has its
   * stream reset. (The registrar's own `use` cannot serve here: in libp2p 3.3 each inbound stream appends the handler to the registered list
   * of middleware, so that the second stream would be handled twice.)
   */
  protect<C extends { readonly registrar: HandlerRegistry }>(components: C): C {
    const registrar = components.registrar;
    const guarded = new Proxy(registrar, {
      get: (target, property) => {
        if (property === "handle") {
          return (protocol: string, handler: StreamHandler, options?: object) =>
            target.handle(protocol, this.wrap(protocol, handler), options);
        }
        const value: unknown = Reflect.get(target, property);
        return typeof value === "function" ? value.bind(target) : value;
      },
    });
    return new Proxy(components, {
      get: (target, property) => (property === "registrar" ? guarded : Reflect.get(target, property)),
    });
  }

  /** A handler that only peers who may speak the protocol reach. */
  wrap(protocol: string, handler: StreamHandler): StreamHandler {
    return (stream: Stream, connection: Connection) => {
      const peer = connection.remotePeer.toString();
      if (this.#admission.maySpeak(peer, protocol)) return handler(stream, connection);
      this.#counters.add(meshCounter.streamsRefused);
      // A former server is told in a moment that it is one. Were its link reset, it could hang up before it hears that.
      if (!this.#admission.isFormer(peer)) stream.abort(new Error("this peer may not speak this protocol"));
      return undefined;
    };
  }

  /** Whether the operator has named the peer as an observer. */
  isObserver(peer: string): boolean {
    return this.#admission.standing(peer) === "observer";
  }

  /** Watches the host's connections: strangers and former servers stay `strangerMs` at most. */
  watch(host: Libp2p): void {
    host.addEventListener("connection:open", (event) => {
      const connection = event.detail;
      const peer = connection.remotePeer.toString();
      if (!isPassing(this.#admission.standing(peer))) return;
      if (this.#strangers.size >= limits.mesh.strangers || this.#isCrowding(connection)) {
        this.#refuse(peer, "refused: too many at once");
        connection.abort(new Error("too many strangers at once"));
        return;
      }
      this.#stayBriefly(host, connection);
    });
    host.addEventListener("connection:close", (event) => this.#forget(event.detail));
  }

  /** Closes the connections of peers that may no longer be connected, soon or at once. To be called when the roster has changed. */
  review(host: Libp2p): void {
    for (const connection of host.getConnections()) {
      const standing = this.#admission.standing(connection.remotePeer.toString());
      if (isPassing(standing)) {
        if (!this.#strangers.has(connection)) this.#stayBriefly(host, connection);
        continue;
      }
      this.#forget(connection);
      if (standing === "refused") connection.abort(new Error("no longer a server of the domain"));
    }
  }

  /** Stops waiting for strangers. */
  stop(): void {
    for (const connection of this.#strangers.keys()) this.#forget(connection);
  }

  /** Whether one host has sent its share of the strangers: others may be who was invited. */
  #isCrowding(connection: Connection): boolean {
    const source = otherMachine(connection);
    const others = [...this.#strangers.keys()].filter((other) => otherMachine(other) === source);
    return source !== undefined && others.length >= limits.mesh.strangersPerSource;
  }

  #stayBriefly(host: Libp2p, connection: Connection): void {
    const timer = setTimeout(() => this.#timeUp(host, connection), limits.mesh.strangerMs);
    this.#strangers.set(connection, timer);
  }

  #timeUp(host: Libp2p, connection: Connection): void {
    this.#strangers.delete(connection);
    const peer = connection.remotePeer;
    const standing = this.#admission.standing(peer.toString());
    if (standing === "server" || standing === "observer") return;
    if (standing !== "former") this.#refuse(peer.toString(), "has not joined in time");
    connection.abort(new Error("strangers may only join"));
    void host.peerStore.delete(peer).catch(() => undefined);
  }

  #forget(connection: Connection): void {
    clearTimeout(this.#strangers.get(connection));
    this.#strangers.delete(connection);
  }

  #refuse(peer: string, what: string): void {
    this.#counters.add(meshCounter.strangersRefused);
    const leftOut = this.#lines.take(systemClock.monotonicMs());
    if (leftOut !== undefined) this.#logger.warn({ peer, ...leftOut }, `stranger ${what}`);
  }
}

/** Whether such a peer may be connected for a moment only. */
function isPassing(standing: Standing): boolean {
  return standing === "stranger" || standing === "former";
}
