import type { PrivateKey } from "@libp2p/interface";
import type { Roster, ServerId } from "../../dht-schema/roster.ts";
import type { FormerServer } from "./former-servers.ts";

/** Separate flows between two servers, so that large SIP bodies never delay a lease. Order holds within a channel while the link is up. */
export type MeshChannel = "directory" | "sip";

/** What an operator sees of a peer. */
export interface PeerStatus {
  readonly id: ServerId;
  readonly number: number;
  readonly name: string;
  readonly addresses: readonly string[];
  readonly state: "up" | "dialing" | "down";
  /** Since when in this state, wall clock ms. */
  readonly sinceMs: number;
  /** Smoothed round trip, ms. */
  readonly roundTripMs?: number;
  /** From the HELLO. */
  readonly software?: string;
  readonly protocol?: number;
  readonly rosterVersion?: number;
  /** The peer's boot number: it grows with each start. */
  readonly boot?: number;
  readonly framesIn: number;
  readonly framesOut: number;
  readonly bytesIn: number;
  readonly bytesOut: number;
  /** Why the last link ended or the last dial failed. */
  readonly lastError?: string;
}

export type MeshEvent =
  /** The peer's HELLO was accepted: frames flow both ways. */
  | { readonly kind: "link-up"; readonly server: ServerId }
  /** Everything not yet acknowledged by the protocols above may be lost. */
  | { readonly kind: "link-down"; readonly server: ServerId; readonly reason: string }
  /** A newer roster, verified and stored, is in force. */
  | { readonly kind: "roster"; readonly roster: Roster }
  /** A peer has seen this server with newer data: it was put back from a backup, and there will be no links any more. */
  | { readonly kind: "outdated" }
  /** A roster came that this server is no longer in: nothing it does counts any more. */
  | { readonly kind: "removed"; readonly roster: Roster };

/** The mesh as the parts above see it: an ordered, lossy-on-disconnect datagram service between the servers of the roster. */
export interface Mesh {
  readonly self: ServerId;
  /** This server's identity: signs its binding records. */
  readonly privateKey: PrivateKey;
  /** The roster in force. */
  roster(): Roster;
  /** Servers that have left the roster while this one was in it, and are not back. */
  former(): readonly FormerServer[];
  /** Queues a message to a server; false, and nothing happens, when there is no link. What is queued in one turn of the event loop leaves as one write. */
  send(to: ServerId, channel: MeshChannel, message: Uint8Array): boolean;
  /** One receiver per channel. Called only for servers of the roster. */
  receive(channel: MeshChannel, receiver: (from: ServerId, message: Uint8Array) => void): void;
  on(listener: (event: MeshEvent) => void): () => void;
  isUp(server: ServerId): boolean;
  peers(): readonly PeerStatus[];
  /** Where the mesh listens, multiaddrs without peer id. */
  addresses(): readonly string[];
  /** Signs, stores and distributes the next roster. @throws {OperationalError} `NOT_A_STEWARD`, `STEWARD_ALONE`, `STEWARD_CONTESTED`, `STALE_ROSTER` */
  publishRoster(next: Roster): Promise<void>;
  /** Whether this server holds a copy of the domain's key, and so may become the steward. */
  readonly holdsDomainKey: boolean;
  /** Whether this server is the one that admits servers and changes the roster. */
  readonly isSteward: boolean;
}
