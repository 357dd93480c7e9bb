import type { Aor } from "../../dht-schema/aor.ts";
import type { ServerId } from "../../dht-schema/roster.ts";
import type { HistoryStatus } from "../history/history.ts";
import type { PresenceStatus } from "../presence/presence-server.ts";
import type { RegistrarStatus } from "../registrar/registrar.ts";
import type { PeerStatus } from "../mesh/mesh.ts";
import type { DomainLists } from "../presence/lists/domain-lists.ts";
import type { HistoryQuery, User, UserStore } from "../storage/ports.ts";
import type { StorageProblem } from "../storage/storage-problem.ts";

/** A server, as people and programs name it. */
export interface ServerRef {
  /** Number in the roster. */
  readonly number: number;
  readonly id: ServerId;
  readonly name: string;
}

/** What a node is doing. `draining`: it stops, or leaves the domain. `removed`: it is no longer in the roster and serves nobody. */
export type NodeState = "starting" | "running" | "draining" | "removed";

/** `aorta status` */
export interface NodeStatus {
  readonly server: ServerRef;
  readonly domain: string;
  readonly state: NodeState;
  /** Release of Aorta. */
  readonly software: string;
  /** Wall clock, ms since 1970. */
  readonly startedAtMs: number;
  /** How often this node has started. */
  readonly boot: number;
  /** Whether this server is the one that makes rosters, and so invites others. */
  readonly steward: boolean;
  readonly leaseMs: number;
  readonly roster: {
    readonly version: number;
    readonly revision: number;
    readonly servers: number;
    readonly voters: number;
    /** Servers that have a different roster of the same version and revision, signed by the same key. */
    readonly forks: readonly ServerRef[];
  };
  /** Links to the other servers of the roster. */
  readonly peers: { readonly up: number; readonly all: number };
  /** Where SIP listens: `udp 127.0.0.1:5060`. */
  readonly sip: readonly string[];
  /** Where the mesh listens, multiaddrs. */
  readonly mesh: readonly string[];
  /** When the first of the TLS certificates runs out, wall clock; absent where there is none. */
  readonly certificateExpiresAtMs?: number;
  /** Users that this server owns. */
  readonly owned: number;
  readonly registrar: RegistrarStatus;
  readonly presence: PresenceStatus;
  /** What this server has room for, by the memory of its process. */
  readonly room: { readonly users: number; readonly subscriptions: number };
  /** Messages that wait here for users who are not there. */
  readonly held: { readonly recipients: number; readonly messages: number };
  /** What users wrote while they were here. */
  readonly history: HistoryStatus;
  /** What this server keeps as a replica for others. */
  readonly replica: { readonly registers: number; readonly sessions: number; readonly watches: number };
  /** Set where the data was put back from a backup: the server takes no part in the domain, and never will. */
  readonly oldData?: true;
  /** Set while the disk cannot be written: the last error. New claims are granted only as far as what is on disk allows; what is owned stays owned. */
  readonly storageProblem?: StorageProblem;
  readonly memory: { readonly rssBytes: number; readonly heapBytes: number };
  /** Events since the start, by name. */
  readonly counters: Readonly<Record<string, number>>;
}

/** This server's lease at one replica; all its users there live by it. */
export interface SessionView {
  readonly server: ServerRef;
  /** `live`: renewed and unexpired. `none`: never got, expired or lost. */
  readonly state: "live" | "none";
  /** 0 when there is none. */
  readonly leaseLeftMs: number;
}

/** One row of `aorta peers`. */
export type PeerView = (PeerStatus & { readonly self: false }) | SelfView;

/** The row of the server that was asked. */
export interface SelfView {
  readonly self: true;
  readonly id: ServerId;
  readonly number: number;
  readonly name: string;
  readonly addresses: readonly string[];
  readonly software: string;
  readonly rosterVersion: number;
  readonly boot: number;
}

/** `aorta peer <id>` */
export interface PeerDetail {
  readonly peer: PeerView;
  /** Whether it holds replicas in the roster in force. */
  readonly voter: boolean;
  /** Our lease there. */
  readonly session?: SessionView;
  /** How many users the registers that are kept here say it owns: the part of its users for which this server is a replica. */
  readonly ownsByOurRegisters: number;
}

/** What one replica says of a user, next to what the majority says. */
export interface ReplicaView {
  readonly server: ServerRef;
  readonly verdict: "agrees" | "disagrees" | "abstains" | "silent";
  /** Epoch it accepted last. */
  readonly epoch?: string;
  readonly owner?: ServerRef;
  /** How long the owner's session there lives on, if it is not renewed. */
  readonly validForMs?: number;
  /** For people: why it does not agree. */
  readonly why?: string;
}

/** `aorta lookup <aor>` */
export interface LookupView {
  readonly aor: Aor;
  /** `unclear`: no majority says the same, as when a claim is under way or replicas cannot be reached. */
  readonly state: "owned" | "nobody" | "unclear";
  readonly owner?: ServerRef;
  readonly epoch?: string;
  /** For how long a majority of the replicas keep to it if nothing is renewed: until then nobody else can claim the user without asking. */
  readonly leaseLeftMs?: number;
  readonly replicas: readonly ReplicaView[];
}

/** One row of `aorta bindings`: a user that this server owns. */
export interface BindingView {
  readonly aor: Aor;
  readonly epoch: string;
  /** Since the claim. */
  readonly ownedForMs: number;
  /** How long it stays owned if nothing is renewed. */
  readonly leaseLeftMs: number;
}

/** `aorta contacts <aor>`: where the devices of a user who is on this server can be reached. */
export interface ContactsView {
  readonly aor: Aor;
  /** `resting`: contacts from before a restart or an outage, not served until the user is claimed again. */
  readonly state: "served" | "resting" | "none";
  readonly contacts: readonly {
    /** As the device gave it. */
    readonly uri: string;
    readonly expiresInMs: number;
    /** What it registered over: `tls 192.0.2.1:40123`; whether that is a connection that is open. */
    readonly flow: string;
    readonly connected: boolean;
    /** Proxies between this server and the device, nearest first. */
    readonly path: readonly string[];
    /** `+sip.instance`, else empty. */
    readonly instance: string;
    /** 0 to 1. */
    readonly q: number;
    readonly userAgent: string;
    readonly callId: string;
    readonly cseq: number;
  }[];
}

/** `aorta roster` */
export interface RosterView {
  readonly domain: string;
  readonly version: number;
  readonly revision: number;
  readonly leaseMs: number;
  readonly driftPpm: number;
  /** Whether a change of voters is under way. */
  readonly joint: boolean;
  readonly servers: ReadonlyArray<
    ServerRef & {
      readonly addresses: readonly string[];
      /** Whether it makes the rosters. */
      readonly steward: boolean;
      readonly voter: boolean;
      /** Whether it still counts as a voter while these are changed. */
      readonly oldVoter: boolean;
      /** Whether it is to go. */
      readonly leaving: boolean;
      /** Whether an operator vouches that it is switched off for good. */
      readonly gone: boolean;
      /** Whether there is a link to it, or it is the one asked. */
      readonly up: boolean;
      /** How many users it owns, as it last told the steward: only there, and while a change is under way. */
      readonly owned?: number;
    }
  >;
}

/** `aorta drain`: how far a server is on its way out of the domain. */
export interface DrainView {
  readonly server: ServerRef;
  readonly domain: string;
  /** `left`: it let go of its users and was taken out. `removed`: it was taken out while it could not be reached. */
  readonly state: "staying" | "leaving" | "left" | "removed";
  /** Whether others still keep replicas here. */
  readonly voter: boolean;
  /** Whether a change of voters is under way. */
  readonly joint: boolean;
  /** Users that it still owns. */
  readonly owned: number;
  /** Subscriptions of its clients that have not ended yet. */
  readonly watchers: number;
  readonly steward: ServerRef;
  /** Whether there is a link to the steward. */
  readonly stewardUp: boolean;
}

/** What operators change in the roster. Servers are given by name, number or peer id. Errors are those of `Stewardship`. */
export interface RosterControl {
  /** Servers are to go. @param force whether the operator vouches that they are switched off for good */
  remove(servers: readonly string[], force: boolean): Promise<void>;
  /** A server holds replicas from now on. */
  promote(server: string): Promise<void>;
  /** A server leaves, and another holds replicas in its place. */
  replace(old: string, by: string): Promise<void>;
  /** Another server makes the rosters. */
  handOn(server: string): Promise<void>;
  /** This server makes the rosters, because the steward is switched off for good. @param gone others that are so too */
  seize(gone: readonly string[]): Promise<void>;
}

/** One line of `aorta watch <aor>`. */
export type WatchEvent =
  | { readonly kind: "owner"; readonly atMs: number; readonly owner: ServerRef; readonly epoch: string }
  | { readonly kind: "nobody"; readonly atMs: number }
  /** Changes may have been lost between the last line and the next. */
  | { readonly kind: "missed"; readonly atMs: number };

/** What a new server needs to join. */
export interface InviteView {
  readonly token: string;
  /** Wall clock, ms since 1970. */
  readonly expiresAtMs: number;
}

/** A user, without secrets. */
export type UserView = Pick<User, "aor" | "username" | "realm">;

/** `aorta history`: messages of a user, newest first. */
export interface HistoryView {
  readonly messages: readonly {
    readonly server: ServerRef;
    readonly peer: string;
    readonly sent: boolean;
    readonly atMs: number;
    readonly text: string;
  }[];
  /** Whether there are older ones: asked for with `before` the time of the last. */
  readonly more: boolean;
  /** Servers whose part is missing. */
  readonly missing: readonly { readonly server: ServerRef; readonly reason: string }[];
}

/** `aorta history remove`. */
export interface HistoryRemovedView {
  /** Messages. */
  readonly removed: number;
  /** Servers that may still have some. */
  readonly missing: HistoryView["missing"];
}

/** What the HTTP API shows of a node and lets an operator do to it. */
export interface NodeView {
  status(): NodeStatus;
  /** All servers of the roster by number, the one asked included. */
  peers(): readonly PeerView[];
  peer(server: ServerId): PeerDetail | undefined;
  lookup(aor: Aor): Promise<LookupView>;
  bindings(): Iterable<BindingView>;
  /** @throws {OperationalError} `OWNED_ELSEWHERE` when the user is on another server, `OWNER_UNCLEAR` when nobody knows */
  contacts(aor: Aor): Promise<ContactsView>;
  /** Removes one contact, or all; returns the URIs of those that were there. Errors as {@link contacts}. */
  removeContacts(aor: Aor, uri?: string): Promise<readonly string[]>;
  roster(): RosterView;
  readonly control: RosterControl;
  /** Asks the steward to take this server out of the domain; nothing happens when it is leaving already. @throws {OperationalError} why not */
  drain(): Promise<void>;
  drainView(): DrainView;
  /** Calls `listener` with the present state and with every change; returns how to stop. */
  watch(aor: Aor, listener: (event: WatchEvent) => void): () => void;
  /** @throws {ConfigurationError} when this server may not invite or the term is out of range */
  invite(options: { readonly ttlMs: number; readonly steward: boolean }): Promise<InviteView>;
  /** @param everywhere whether the other servers of the domain are asked too */
  history(query: HistoryQuery, everywhere: boolean): Promise<HistoryView>;
  /** Removes a user's history. @param everywhere whether at the other servers of the domain, too */
  removeHistory(user: Aor, everywhere: boolean): Promise<HistoryRemovedView>;
  /** Secrets never leave by the API. */
  readonly users: Pick<UserStore, "put" | "putAll" | "remove" | "list" | "has">;
  /** Buddy lists of the domain. */
  readonly lists: Pick<DomainLists, "put" | "remove" | "list">;
}
