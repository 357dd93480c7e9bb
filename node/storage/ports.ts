import type { Aor } from "../../dht-schema/aor.ts";
import type { AortaError } from "../runtime/errors.ts";
import type { StorageProblem } from "./storage-problem.ts";

/** Small durable values by name (keys, roster, boot number, ballot ceiling). Each write is on disk when it returns. */
export interface Settings {
  get(name: string): Uint8Array | undefined;
  set(name: string, value: Uint8Array): void;
  delete(name: string): void;
}

/** A person who may register, with the secrets of digest authentication. @see RFC 8760 */
export interface User {
  readonly aor: Aor;
  /** Digest user name, usually the user part of the AoR. */
  readonly username: string;
  readonly realm: string;
  /** Lower-case hex of H(username:realm:password). */
  readonly ha1Md5: string;
  readonly ha1Sha256: string;
}

export interface UserStore {
  find(username: string, realm: string): User | undefined;
  has(aor: Aor): boolean;
  put(user: User): void;
  /** All of them or none. */
  putAll(users: readonly User[]): void;
  remove(aor: Aor): boolean;
  list(): readonly User[];
}

/** A registered contact as stored. @see RFC 3261 §10.3 */
export interface StoredContact {
  readonly aor: Aor;
  /** Contact URI as the client gave it. */
  readonly uri: string;
  /** Tells it from another device of the user with the same URI. */
  readonly twin?: string | undefined;
  /** Where to send requests for it: the flow it registered over, JSON. */
  readonly flow: string;
  readonly callId: string;
  readonly cseq: number;
  /** Wall clock, ms since 1970: SIP's expiry is a promise in real time, and it outlives the process. */
  readonly expiresAtMs: number;
  /** 0–1000. */
  readonly q: number;
  readonly userAgent: string;
  /** `+sip.instance`, else empty. */
  readonly instance: string;
  /** The epoch under which the client registered it last, as text: whose contacts are out of date. Empty where an older release wrote it. */
  readonly epoch: string;
}

/** A registration that ended because its user went to another server, remembered for as long as it would have lasted. */
export interface ShedRegistration {
  readonly aor: Aor;
  readonly callId: string;
  /** Wall clock, ms since 1970. */
  readonly expiresAtMs: number;
}

export interface ShedStore {
  put(shed: ShedRegistration): void;
  remove(aor: Aor, callId: string): void;
  /** Removes all that expire at that time or before. */
  expire(wallMs: number): void;
  list(): readonly ShedRegistration[];
}

/** A publication as stored. @see RFC 3903 */
export interface StoredPublication {
  readonly aor: Aor;
  /** Its place in the order of the user's, and its first entity-tag. */
  readonly key: string;
  readonly entityTag: string;
  readonly document: Uint8Array;
  /** Where it came from and whose it is, JSON. */
  readonly path: string;
  /** Wall clock, ms since 1970. */
  readonly expiresAtMs: number;
  /** The epoch under which the client published it last, as text. */
  readonly epoch: string;
}

export interface PublicationStore {
  put(publication: StoredPublication): void;
  remove(aor: Aor, key: string): void;
  removeAll(aor: Aor): void;
  /** Those of one user. */
  of(aor: Aor): readonly StoredPublication[];
  /** Who has any, each once. */
  aors(): Iterable<Aor>;
  list(): readonly StoredPublication[];
}

/** A subscription of a client as stored. @see RFC 6665 */
export interface StoredSubscription {
  /** Our tag of the dialog. */
  readonly localTag: string;
  /** Event package. */
  readonly event: string;
  /** What is subscribed to. */
  readonly aor: Aor;
  /** Who did. */
  readonly subscriber: Aor;
  /** The fields that a NOTIFY needs, JSON. */
  readonly dialog: string;
  readonly remoteCseq: number;
  /** No NOTIFY has had a higher one. */
  readonly localCseq: number;
  /** Wall clock, ms since 1970. */
  readonly expiresAtMs: number;
  /** Whether the subscriber has been told `active`. */
  readonly active: boolean;
}

export interface SubscriptionStore {
  put(subscription: StoredSubscription): void;
  remove(localTag: string): void;
  /** All, which may be a million. Those that were given may be removed meanwhile. */
  list(): Iterable<StoredSubscription>;
}

/** A buddy list: one address that stands for several. @see RFC 4662 */
export interface ResourceList {
  readonly uri: Aor;
  /** Who may subscribe to it. */
  readonly owner: Aor;
  /** Users or other lists, in order. */
  readonly members: readonly Aor[];
}

/** What is known of a list that there is, or was: the newest version of it is the one of the whole domain. */
export interface ListVersion {
  readonly uri: Aor;
  /** When it was made, wall clock ms; more where the one before it was as late. 0: by an earlier release. */
  readonly version: number;
  /** Absent: it has been removed. */
  readonly list?: ResourceList;
}

export interface ResourceListStore {
  get(uri: Aor): ResourceList | undefined;
  /** Whether there is one, asked of each request for a user: without the disk. */
  has(uri: Aor): boolean;
  list(): readonly ResourceList[];
  versionOf(uri: Aor): ListVersion | undefined;
  /** All, by URI. */
  versions(): readonly ListVersion[];
  /** Those beyond a URI, in their order. @param most how many */
  versionsAfter(uri: string, most: number): readonly ListVersion[];
  /** How many these are. */
  count(): number;
  /** Takes the place of what was known; on disk when it returns. */
  put(version: ListVersion): void;
  /** The same for what another server knows, too: on disk with this turn of the event loop. */
  learn(versions: readonly ListVersion[]): void;
}

export interface ContactStore {
  put(contact: StoredContact): void;
  remove(aor: Aor, uri: string, twin?: string): void;
  removeAll(aor: Aor): void;
  /** All, which may be a million. Those that were given may be removed meanwhile. */
  list(): Iterable<StoredContact>;
}

/** Proof that an operator let a server in: kept as the hash of its secret. */
export interface Invite {
  /** SHA-256 of the secret, hex. */
  readonly secretHash: string;
  readonly expiresAtMs: number;
  /** Whether the server that joins gets the domain's key too. */
  readonly steward: boolean;
}

export interface InviteStore {
  add(invite: Invite): void;
  /** Removes and returns: an invite lets one server in. */
  take(secretHash: string): Invite | undefined;
  list(): readonly Invite[];
}

/** A message that waits for its recipient. */
export interface HeldMessage {
  /** Names the message on every server that it passes. */
  readonly key: string;
  readonly recipient: Aor;
  /** Whose it is, as far as that is known: else empty, as of what an earlier release has held. */
  readonly sender: string;
  /** Wall clock, ms since 1970: then it is of no use any more. */
  readonly expiresAtMs: number;
  /** The MESSAGE request as octets. */
  readonly message: Uint8Array;
}

export interface ExpiredMessage {
  readonly recipient: Aor;
  readonly sender: string;
  /** Octets. */
  readonly bytes: number;
}

export interface MessageStore {
  /** Keeps a message behind those of the same recipient; false when it is kept already. */
  hold(message: HeldMessage): boolean;
  /** The oldest message of a recipient, or the oldest behind another. @param behindId @default 0 */
  next(recipient: Aor, behindId?: number): (HeldMessage & { readonly id: number }) | undefined;
  /** The shortest message of a recipient behind another. */
  shortest(recipient: Aor, behindId: number): (HeldMessage & { readonly id: number }) | undefined;
  /** False when it is there no more. @param isBack called at the end of this turn of the event loop where it is there again, as the disk did not take its removal */
  remove(id: number, isBack?: () => void): boolean;
  recipients(): readonly { readonly recipient: Aor; readonly messages: number }[];
  /** What there is of each sender for each recipient. */
  parts(): readonly {
    readonly recipient: Aor;
    readonly sender: string;
    readonly messages: number;
    readonly bytes: number;
  }[];
  /**
   * Removes what has expired, not more than `limits.messaging.expiredAtOnce`.
   * @param areBack called at the end of this turn of the event loop with what is there again, as the disk did not take its removal
   */
  expire(
    nowMs: number,
    areBack?: (expired: readonly ExpiredMessage[]) => void,
  ): {
    readonly expired: readonly ExpiredMessage[];
    /** There may be more to remove. */
    readonly hasMore: boolean;
  };
  /** Remembers that a message has reached its recipient. @param forgetAtMs wall clock */
  delivered(key: string, forgetAtMs: number): void;
  wasDelivered(key: string): boolean;
  /** All that are remembered, unless they are more than so many. */
  deliveredKeys(max: number): Set<string> | undefined;
}

/** When what is kept ends, by the wall clock. */
export interface ExpiryStore {
  /** The last message that was ever held; 0: none. */
  lastHeldId(): number;
  /** Moves the ends of contacts, shed registrations, publications, subscriptions and the messages held behind one, all or none, by whole ms; on disk when it returns. */
  move(byMs: number, behindHeldId: number): void;
}

/** A message that a user has sent or received while they were on this server. */
export interface HistoryEntry {
  readonly user: Aor;
  /** The other side. */
  readonly peer: string;
  readonly sent: boolean;
  /** Wall clock, ms since 1970. */
  readonly atMs: number;
  readonly callId: string;
  readonly text: string;
}

export interface HistoryQuery {
  readonly user: Aor;
  /** All have to occur, whole or as the beginning of a word; none for everything. */
  readonly words: readonly string[];
  readonly peer?: string;
  /** Wall clock; inclusive. */
  readonly sinceMs: number;
  /** Wall clock; exclusive. */
  readonly beforeMs: number;
  readonly limit: number;
}

/** How much a history holds. */
export interface HistorySize {
  /** What it takes and may take on disk, octets. */
  readonly bytes: number;
  readonly bytesMax: number;
  /** Wall clock, ms since 1970; absent where there is none. */
  readonly oldestMs?: number;
}

/**
 * Conversations. They have a limit of their own: who has more than a hundredth of it loses their oldest entries to their newest, and when it is full the
 * oldest of all make room. A failure is an {@link AortaError} and costs nothing but the history.
 */
export interface HistoryStore {
  /** False before it is first used, and while its file cannot be opened. */
  readonly isOpen: boolean;
  /** Whether the oldest entries make room for new ones before their time. */
  readonly isFull: boolean;
  /** Found at once. @param done called when it is safe from a crash of the process, or with why it is lost */
  add(entry: HistoryEntry, done: (error?: AortaError) => void): void;
  /** Newest first. */
  find(query: HistoryQuery): readonly HistoryEntry[];
  /**
   * Removes some of what one user has written and received; how many, when that is safe from a crash of the process. There may be more where that is as many
   * as are removed at once. Rejected with an {@link AortaError} where nothing is removed.
   */
  remove(user: Aor): Promise<number>;
  /**
   * Removes some of what is older; whether there may be more. Opens again what could not be opened.
   * @param isBack called at the end of this turn of the event loop where it is there again, as the disk did not take its removal
   */
  expire(beforeMs: number, isBack?: () => void): boolean;
  /** Moves here some of what an earlier release kept with the contacts, newest first; false when nothing is left. */
  takeOver(): boolean;
  /** Whether anything is still to be moved here. */
  isTakingOver(): boolean;
  size(): HistorySize;
  close(): void;
}

/** What is written in one turn of the event loop reaches the disk together, at its end. */
export interface WriteGroup {
  /**
   * Runs `write` at the end of this turn of the event loop, and in the same turn `done`, when all that was written until then is safe from a crash of the process.
   * Where it failed, `done` is told that it is not kept.
   */
  join(member: { readonly write?: () => void; readonly done: (isKept: boolean) => void }): void;
  /** Whether anything can be kept at present: where writes have failed it is tried. */
  isWritable(): boolean;
}

/** All that a node keeps on disk. */
export interface Storage {
  /** Set while writes fail. */
  problem(): StorageProblem | undefined;
  readonly settings: Settings;
  readonly users: UserStore;
  readonly contacts: ContactStore;
  readonly invites: InviteStore;
  readonly messages: MessageStore;
  readonly shed: ShedStore;
  readonly publications: PublicationStore;
  readonly subscriptions: SubscriptionStore;
  readonly lists: ResourceListStore;
  readonly history: HistoryStore;
  readonly group: WriteGroup;
  readonly expiries: ExpiryStore;
  close(): void;
}
