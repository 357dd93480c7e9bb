import { KAD_PROTOCOL } from "../../dht-schema/link-frames.ts";
import { JOIN_PROTOCOL } from "../../dht-schema/join-messages.ts";

/** What a peer is to this server. */
export type Standing =
  /** In the roster, or the inviter while this server joins. */
  | "server"
  /** Named by the operator: may look users up through kad-dht. */
  | "observer"
  /** May ask to join, because an invite is open. */
  | "stranger"
  /** Was taken out of the roster: may connect to be told so. */
  | "former"
  | "refused";

/** What admission asks of its surroundings. */
export interface AdmissionSources {
  /** Whether the roster in force has the peer. */
  isServer(peer: string): boolean;
  /** Whether the peer was in the roster once. */
  isFormer(peer: string): boolean;
  /** Whether an invite is open. */
  isDoorOpen(): boolean;
}

const IDENTIFY_PROTOCOL = "/ipfs/id/1.0.0";
const PING_PROTOCOL = "/ipfs/ping/1.0.0";
const OBSERVER_PROTOCOLS: ReadonlySet<string> = new Set([IDENTIFY_PROTOCOL, PING_PROTOCOL, KAD_PROTOCOL]);

/** Decides who may connect and who may speak what. Holds no connection. */
export class Admission {
  readonly #sources: AdmissionSources;
  readonly #observers: ReadonlySet<string>;
  #inviter: string | undefined;

  constructor(sources: AdmissionSources, observers: readonly string[]) {
    this.#sources = sources;
    this.#observers = new Set(observers);
  }

  /** While this server joins, the inviter is as good as a server; `undefined` when the join is over. */
  set inviter(peer: string | undefined) {
    this.#inviter = peer;
  }

  standing(peer: string): Standing {
    if (peer === this.#inviter || this.#sources.isServer(peer)) return "server";
    if (this.#observers.has(peer)) return "observer";
    if (this.#sources.isDoorOpen()) return "stranger";
    return this.isFormer(peer) ? "former" : "refused";
  }

  /** Whether the peer was in the roster once, and is no longer. */
  isFormer(peer: string): boolean {
    return !this.#sources.isServer(peer) && this.#sources.isFormer(peer);
  }

  /** Whether the peer may connect to us. */
  mayConnect(peer: string): boolean {
    return this.standing(peer) !== "refused";
  }

  /** Whether we may dial the peer: servers only. */
  mayDial(peer: string): boolean {
    return this.standing(peer) === "server";
  }

  /** Whether the peer may open a stream of the protocol. */
  maySpeak(peer: string, protocol: string): boolean {
    switch (this.standing(peer)) {
      case "server":
        return true;
      case "observer":
        return OBSERVER_PROTOCOLS.has(protocol);
      case "stranger":
        return protocol === JOIN_PROTOCOL;
      case "former":
      case "refused":
        return false;
    }
  }
}
